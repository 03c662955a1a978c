// What Swift cannot see of MPI: its macros that hold a cast, as inline functions. Everything that may
// wait for another process comes as a request, which somebody looks after.
#ifndef CMPI_SHIM_H
#define CMPI_SHIM_H

#include <mpi.h>
#include <stdint.h>

static inline MPI_Comm cmpi_world(void) { return MPI_COMM_WORLD; }

// Errors come back instead of ending the process.
static inline int cmpi_return_errors(MPI_Comm communicator) {
  return MPI_Comm_set_errhandler(communicator, MPI_ERRORS_RETURN);
}

// Sums in place, and the first process's bytes for all.
static inline int cmpi_sum_floats(float *values, int count, MPI_Comm communicator,
                                  MPI_Request *request) {
  return MPI_Iallreduce(MPI_IN_PLACE, values, count, MPI_FLOAT, MPI_SUM, communicator, request);
}
static inline int cmpi_sum_doubles(double *values, int count, MPI_Comm communicator,
                                   MPI_Request *request) {
  return MPI_Iallreduce(MPI_IN_PLACE, values, count, MPI_DOUBLE, MPI_SUM, communicator, request);
}
static inline int cmpi_broadcast(void *bytes, int count, MPI_Comm communicator,
                                 MPI_Request *request) {
  return MPI_Ibcast(bytes, count, MPI_BYTE, 0, communicator, request);
}
// `bytes` has room for `count` of each process; one's own are in their place.
static inline int cmpi_gather(void *bytes, int count, MPI_Comm communicator, MPI_Request *request) {
  return MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, bytes, count, MPI_BYTE, communicator,
                        request);
}

static inline int cmpi_test(MPI_Request *request, int *done) {
  return MPI_Test(request, done, MPI_STATUS_IGNORE);
}

// A number to another process, without waiting until it is read, as long as there is room in the
// buffer that was attached; and one from any, if there is one.
static inline int cmpi_send(int64_t number, int to, int tag, MPI_Comm communicator) {
  return MPI_Bsend(&number, 1, MPI_INT64_T, to, tag, communicator);
}
static inline int cmpi_room_for_a_number(void) {
  return (int)sizeof(int64_t) + MPI_BSEND_OVERHEAD;
}
static inline int cmpi_receive(int64_t *number, int *from, int tag, MPI_Comm communicator,
                               int *found) {
  MPI_Status status;
  int error = MPI_Iprobe(MPI_ANY_SOURCE, tag, communicator, found, &status);
  if (error != MPI_SUCCESS || !*found) return error;
  *from = status.MPI_SOURCE;
  return MPI_Recv(number, 1, MPI_INT64_T, *from, tag, communicator, MPI_STATUS_IGNORE);
}

#endif

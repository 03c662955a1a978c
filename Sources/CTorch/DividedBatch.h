// Batch-norm's statistics where a batch is divided among processes.

#ifndef CTORCH_DIVIDED_BATCH_H
#define CTORCH_DIVIDED_BATCH_H

#include "Border.h"

// Whether ct_divide_batches was given a sum.
bool batches_are_divided();
// Adds the values up over the processes, in place: contiguous, in double precision, on the CPU.
void sum_over_batch(const at::Tensor &values);
// Makes the means and biased variances (2 x C, as above) of a part of the batch, of so many values per
// channel, those of the whole; returns the whole's values per channel.
int64_t merge_statistics(const at::Tensor &statistics, int64_t count);
// Moves running statistics towards those of a batch (2 x C, as above) of so many values per channel;
// throws where there is one alone, whose variance is not known.
void move_statistics(at::Tensor &running_mean, at::Tensor &running_var,
                     const at::Tensor &statistics, int64_t count, double momentum);

#endif

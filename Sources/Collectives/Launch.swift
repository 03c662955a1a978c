// Launch: how this process was started, alone or by a launcher as one of many.

import Foundation

/// What a launcher tells a process in its environment, before there is any MPI.
public struct Launch: Equatable, Sendable {
  /// From 0.
  public let rank: Int
  /// Processes in all.
  public let size: Int
  /// Processes that share this one's cores, itself among them, as far as the launcher tells.
  public let processesOnSameCores: Int

  /// This process's.
  public static let current = Launch(ProcessInfo.processInfo.environment)

  /// A launcher's variables: rank, size, processes on the host. Of `srun` those of the step, since a
  /// batch script, which is no step of many, has the job's too.
  private static let variables = [
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", ""),
  ]

  package init(_ environment: [String: String]) {
    for (rank, size, onHost) in Self.variables {
      if let size = environment[size].flatMap({ Int($0) }), size > 1,
        let rank = environment[rank].flatMap({ Int($0) }), (0..<size).contains(rank)
      {
        self.rank = rank
        self.size = size
        // Open MPI gives each process cores of its own, unless there are too few; so does Slurm.
        let hasOwn = environment["OMPI_MCA_orte_bound_at_launch"] != nil
        processesOnSameCores = hasOwn ? 1 : max(1, environment[onHost].flatMap { Int($0) } ?? 1)
        return
      }
    }
    (rank, size, processesOnSameCores) = (0, 1, 1)
  }
}

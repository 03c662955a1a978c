// Launch: how this process was started, alone or by a launcher as one of many.

import Foundation

/// What a launcher tells a process in its environment, before there is any MPI.
public struct Launch: Equatable, Sendable {
  /// From 0.
  public let rank: Int
  /// Processes in all.
  public let size: Int
  /// This process's number among those on its host, from 0, as far as the launcher tells.
  public let localRank: Int
  /// Processes that share this one's cores, itself among them, as far as the launcher tells.
  public let processesOnSameCores: Int

  /// This process's.
  public static let current = Launch(ProcessInfo.processInfo.environment)

  /// A launcher's variables: rank, size; processes on the host, rank among them. Of `srun` those of the
  /// step, since a batch script, which is no step of many, has the job's too.
  private static let variables = [
    (
      "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE",
      "OMPI_COMM_WORLD_LOCAL_RANK"
    ),
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS", "MPI_LOCALRANKID"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "", "SLURM_LOCALID"),
  ]

  package init(_ environment: [String: String]) {
    for (rank, size, onHost, localRank) in Self.variables {
      if let size = environment[size].flatMap({ Int($0) }), size > 1,
        let rank = environment[rank].flatMap({ Int($0) }), (0..<size).contains(rank)
      {
        self.rank = rank
        self.size = size
        self.localRank = max(0, environment[localRank].flatMap { Int($0) } ?? 0)
        // Open MPI gives each process cores of its own, unless there are too few; so does Slurm.
        let hasOwn = environment["OMPI_MCA_orte_bound_at_launch"] != nil
        processesOnSameCores = hasOwn ? 1 : max(1, environment[onHost].flatMap { Int($0) } ?? 1)
        return
      }
    }
    (rank, size, localRank, processesOnSameCores) = (0, 1, 0, 1)
  }
}

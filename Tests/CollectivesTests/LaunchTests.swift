// How a process learns from its environment that it is one of many.

import Collectives
import Testing

@Suite struct LaunchTests {
  private func isAlone(_ environment: [String: String]) -> Bool {
    let launch = Launch(environment)
    return launch.rank == 0 && launch.size == 1 && launch.localRank == 0
      && launch.processesOnSameCores == 1
  }

  @Test("Without a launcher, or with one that started a single process, a process is alone")
  func alone() {
    #expect(isAlone([:]))
    #expect(isAlone(["OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"]))
    // What nobody would set.
    #expect(isAlone(["OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "2"]))
    #expect(isAlone(["PMI_RANK": "-1", "PMI_SIZE": "4"]))
    #expect(isAlone(["PMI_SIZE": "4"]))
  }

  @Test("A batch script of Slurm is alone, whatever its job has; what srun starts in it is not")
  func slurm() {
    let script = ["SLURM_PROCID": "0", "SLURM_NTASKS": "4"]
    #expect(isAlone(script))
    let task = script.merging(["SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4"]) { $1 }
    #expect(Launch(task).rank == 3)
    #expect(Launch(task).size == 4)
    #expect(Launch(task.merging(["SLURM_LOCALID": "1"]) { $1 }).localRank == 1)
    // mpirun in a step is what counts.
    let started = task.merging(["OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"]) { $1 }
    #expect(Launch(started).rank == 1 && Launch(started).size == 2)
  }

  @Test("Processes that are not bound to cores share them")
  func cores() {
    var environment = [
      "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
      "OMPI_COMM_WORLD_LOCAL_RANK": "3",
    ]
    #expect(Launch(environment).localRank == 3)
    #expect(Launch(environment).processesOnSameCores == 4)
    environment["OMPI_MCA_orte_bound_at_launch"] = "1"
    #expect(Launch(environment).processesOnSameCores == 1)
  }
}

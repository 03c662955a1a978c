// Two hosts, as network namespaces of one machine with a cable between them: where root allows it.

import Foundation
import TestSupport
import Testing

/// Two hosts with names and addresses of their own, on which mpirun starts a process each.
private final class Hosts {
  private let names: [String]
  private let folder: Folder

  /// Whether this machine lets us make hosts.
  static let areAllowed: Bool = {
    guard Launcher.isThere, geteuid() == 0 else { return false }
    return (try? Hosts(in: Folder())) != nil
  }()

  init(in folder: Folder) throws {
    self.folder = folder
    names = [1, 2].map { "disparse-\(getpid())-\($0)" }
    // It stands for ssh.
    try folder.write(
      """
      #!/bin/sh
      shift
      exec ip netns exec \(names[1]) unshare -u sh -c "hostname host2; exec sh -c '$*'"
      """, to: "agent")
    let outcome = try TestSupport.run(
      "/bin/sh",
      [
        "-c",
        """
        set -e
        chmod +x agent
        ip netns add \(names[0])
        ip netns add \(names[1])
        ip link add one netns \(names[0]) type veth peer name two netns \(names[1])
        ip -n \(names[0]) addr add 10.77.0.1/24 dev one
        ip -n \(names[1]) addr add 10.77.0.2/24 dev two
        ip -n \(names[0]) link set one up
        ip -n \(names[1]) link set two up
        ip -n \(names[0]) link set lo up
        ip -n \(names[1]) link set lo up
        ip netns exec \(names[1]) unshare -u hostname host2
        """,
      ], in: folder.path)
    guard outcome.status == 0 else { throw CocoaError(.featureUnsupported) }
  }

  deinit {
    for name in names {
      _ = try? TestSupport.run("/usr/bin/env", ["ip", "netns", "del", name], in: folder.path)
    }
  }

  /// Starts a process on each host.
  func start(_ tool: Tool, _ arguments: String, output: Int32? = nil, errors: Int32? = nil) throws
    -> Child
  {
    let network = "10.77.0.0/24"
    let launch =
      Launcher.words(2) + [
        "--mca", "plm_rsh_agent", folder.path("agent"), "--mca", "oob_tcp_if_include", network,
        "--mca", "btl_tcp_if_include", network, "-H", "10.77.0.1,10.77.0.2",
        "--wdir", folder.path, "-x", "SOURCE_DATE_EPOCH", tool.path,
      ] + arguments.split(separator: " ").map(String.init)
    return try Child(
      "ip",
      [
        "netns", "exec", names[0], "unshare", "-u", "sh", "-c", "hostname host1; exec \"$@\"", "sh",
        try #require(Launcher.path),
      ] + launch, in: folder.path, environment: Launcher.environment, output: output,
      errors: errors)
  }
}

@Suite(.serialized, .enabled(if: Hosts.areAllowed, "needs mpirun, and root's right to make hosts"))
struct HostsTests {
  private static let training =
    "--data dataset.h5 --model initial.h5 --masks masks.h5 --batch-size 3 --threads 1"

  @Test("Two hosts train to the same bytes as two processes of one")
  func trained() throws {
    let folder = try Launcher.makeFolder()
    let hosts = try Hosts(in: folder)
    #expect(
      try hosts.start(.sparseTrain, "\(Self.training) --steps 3 --quiet -o hosts.h5").wait() == 0)
    let together = try folder.run(2, .sparseTrain, "\(Self.training) --steps 3 --quiet -o one.h5")
    #expect(together.status == 0)
    let digests = try ["hosts.h5", "one.h5"].map {
      try folder.open($0).attribute("content_sha256") as String
    }
    #expect(digests[0] == digests[1])
  }

  @Test("The host of a process that stops answering is named")
  func stopped() throws {
    let folder = try Launcher.makeFolder()
    let hosts = try Hosts(in: folder)
    let errors = Pipe()
    let child = try hosts.start(
      .sparseTrain,
      "\(Self.training) --steps 1000000 --checkpoint-every 4 --process-timeout 2 -o out.h5",
      errors: errors.fileHandleForWriting.fileDescriptor)
    try errors.fileHandleForWriting.close()
    let start = ContinuousClock.now
    while try !folder.contents().contains("out-checkpoint.h5") {
      try #require(ContinuousClock.now - start < .seconds(60))
      usleep(10_000)
    }
    // Its name is that of the other host.
    let victim = try Child.processes(of: .sparseTrain, in: folder).first {
      try String(contentsOfFile: "/proc/\($0)/environ", encoding: .utf8)
        .contains("OMPI_COMM_WORLD_RANK=1")
    }
    kill(try #require(victim), SIGSTOP)
    let said = String(
      decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    #expect(child.wait() == 1)
    #expect(
      said.contains("sparse-train: process 1 on host2: has not answered for 2 s\n"), "\(said)")
    #expect(try folder.open("out-checkpoint.h5").contains("state"))
  }
}

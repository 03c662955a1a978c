// Option groups that several tools share.

import ArgumentParser
import Collectives
import Foundation

/// Options that every tool has.
public struct CommonOptions: ParsableArguments {
  @Flag(name: .shortAndLong, help: "Print nothing but errors.")
  public var quiet = false

  @Option(help: "CPU threads, of each process (default: one per core).")
  public var threads: Int?

  @Option(help: "Seed of everything random.")
  public var seed: UInt64 = 1

  public init() {}

  public mutating func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads \(threads): must be in 1...1024")
    }
    // Files record it as a signed number.
    if seed > UInt64(Int64.max) {
      throw ValidationError("--seed \(seed): must be at most \(Int64.max)")
    }
  }

  /// Threads to use, one per core unless told otherwise.
  public var threadCount: Int { threads ?? Self.cores }

  /// Cores for this process: those that its launcher bound it to, or its part of the host's.
  private static var cores: Int {
    max(1, ProcessInfo.processInfo.activeProcessorCount / Launch.current.processesOnSameCores)
  }

  /// Says so when threads would fight for cores, which makes all of them slower.
  public func warnOfThreads(_ tool: String) {
    guard let threads, threads > Self.cores else { return }
    warn(tool, "--threads \(threads): this machine has \(Self.cores) cores; more is slower")
  }

  /// A message for the person at the terminal.
  public func say(_ line: String) {
    if !quiet { writeLine(line) }
  }

  /// A warning; `--quiet` does not silence it.
  public func warn(_ tool: String, _ line: String) { writeError("\(tool): warning: \(line)\n") }
}

/// Where a result goes.
public struct OutputOptions: ParsableArguments {
  @Option(name: .shortAndLong, help: "The file to write.")
  public var output: String

  public init() {}

  public func validate() throws {
    if output.isEmpty { throw ValidationError("--output must name a file") }
  }
}

// How every tool starts and ends: parsing, exit statuses, error lines, interruption.

import ArgumentParser
import Collectives
import Foundation

/// The version that `--version` prints and that files record.
public let version = "0.1.0"

/// The command line as run, for the files that record it.
public var commandLine: String { recordedCommandLine(without: []) }

/// The command line without some of its flags, and some options with their values.
public func recordedCommandLine(without flags: Set<String>, options: Set<String> = []) -> String {
  let arguments = ProcessInfo.processInfo.arguments
  let name = URL(fileURLWithPath: arguments.first ?? "").lastPathComponent
  var recorded = [name]
  var rest = arguments.dropFirst()
  while let argument = rest.popFirst() {
    if options.contains(argument) {
      _ = rest.popFirst()
    } else if !flags.contains(argument), !options.contains(where: { argument.hasPrefix($0 + "=") })
    {
      recorded.append(quoted(argument))
    }
  }
  return recorded.joined(separator: " ")
}

private func quoted(_ argument: String) -> String {
  let plain = argument.allSatisfy { $0.isLetter || $0.isNumber || "-_./=:,+@%".contains($0) }
  return plain && !argument.isEmpty
    ? argument : "'" + argument.replacingOccurrences(of: "'", with: "'\\''") + "'"
}

/// A command that several processes run together, when a launcher starts them. Of any other the first
/// process does the work, and the others end at once.
public protocol SharedCommand: ParsableCommand {}

/// Runs a command to the end of the process. Exit status 0: done; 1: failed, with one line
/// `tool: file: /dataset: reason` on stderr; 64: wrong usage; 129, 130, 143: interrupted. A result that
/// standard output did not take is a failure, told at the end of the work.
///
/// - Parameter cleanUp: takes away temporary files when the process is interrupted.
public func run<Command: ParsableCommand>(
  _ type: Command.Type, cleanUp: @escaping @Sendable () -> Void
) -> Never {
  StandardStreams.prepare()
  allowManyFiles()
  // nohup has SIGHUP ignored, and means it.
  let survivesHangup = isIgnored(SIGHUP)
  // What mpirun passes on at once, and Slurm sends some time before a job's end, if asked.
  let warnings = Launch.current.size > 1 ? [SIGUSR1] : []
  let signals = ([SIGINT, SIGTERM] + (survivesHangup ? [] : [SIGHUP]) + warnings).map {
    endOnSignal($0, cleanUp)
  }
  withExtendedLifetime(signals) {
    do {
      var command = try type.parseAsRoot()
      try checkSourceDate(ProcessInfo.processInfo.environment["SOURCE_DATE_EPOCH"])
      if Launch.current.rank > 0, !(command is any SharedCommand) { exit(0) }
      try command.run()
    } catch  where type.exitCode(for: error) == .failure {
      fail(type._commandName, "\(error)")
    } catch {
      // Help, version, wrong usage: the parser knows what to say.
      let status = type.exitCode(for: error)
      let message = type.fullMessage(for: error)
      if !message.isEmpty {
        if status == .success { writeLine(message) } else { writeError(message + "\n") }
      }
      if status != .success { end(status.rawValue) }
    }
  }
  ProcessGroup.current.leave()
  if let problem = StandardStreams.outputFailure {
    fail(type._commandName, "standard output: cannot write: \(String(cString: strerror(problem)))")
  }
  exit(0)
}

/// Refuses a SOURCE_DATE_EPOCH that is no time, as reproducible-builds.org asks, rather than record
/// another one when the work is done.
private func checkSourceDate(_ epoch: String?) throws {
  guard let epoch, !(Int(epoch).map { (0...253_402_300_799).contains($0) } ?? false) else { return }
  throw OptionError(
    "SOURCE_DATE_EPOCH=\(epoch)", "not a number of seconds from 1970 to the end of 9999")
}

/// A data set may lie in more files than a process may open unless it asks.
private func allowManyFiles() {
  var limit = rlimit()
  guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
  limit.rlim_cur = limit.rlim_max
  _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

private func fail(_ tool: String, _ reason: String) -> Never {
  let reason = reason.split(whereSeparator: \.isNewline).joined(separator: " ")
  let group = ProcessGroup.current
  if group.size > 1 { group.fail(reason) }
  writeError("\(tool): \(reason)\n")
  exit(1)
}

/// The end that a command asks for: of an interrupted one in all processes alike, else of wrong usage,
/// which may be one process's alone.
private func end(_ status: Int32) -> Never {
  if status < 128 { ProcessGroup.current.abort(status) }
  ProcessGroup.current.leave()
  exit(status)
}

/// A value given on the command line that cannot be, in the same form as an error about a file.
public struct OptionError: Error, CustomStringConvertible {
  public let description: String

  public init(_ option: String, _ reason: String) { description = "\(option): \(reason)" }
}

// Tasks as options name them.

import ArgumentParser

/// Reads the value of `--tasks`: names separated by commas, in head order.
///
/// - Throws: `ValidationError` for a name that is unknown or comes twice.
func taskList<Task: RawRepresentable<String> & CaseIterable & Hashable>(
  _ names: String, of type: Task.Type = Task.self
) throws -> [Task] {
  let parts = names.split(separator: ",", omittingEmptySubsequences: false)
  let tasks = parts.compactMap { Task(rawValue: String($0)) }
  guard tasks.count == parts.count, Set(tasks).count == tasks.count else {
    let known = Task.allCases.map(\.rawValue).joined(separator: ",")
    throw ValidationError("--tasks \(names): choose each at most once from \(known)")
  }
  return tasks
}

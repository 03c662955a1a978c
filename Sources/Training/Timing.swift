// Timing: the seconds that a network takes for an image, by either engine.

import Artifacts
import Datasets
import Foundation
import Networks
import Torch

/// Times a network by either engine on the first images of a split, from 8-bit pixels to predictions.
/// The network's weights are then what the other engine wants.
///
/// The dense engine runs in the machine's precision, the sparse one in float32.
///
/// - Parameters:
///   - engine: the one that is there, of the given kind.
///   - batchSize: images at once, at most; the split may have fewer.
func timing(
  of engine: any Engine, _ kind: EngineKind, masks: [Mask], on dataset: DatasetFile,
  _ info: DatasetFile.SplitInfo,
  batchSize: Int, machine: Machine
) throws -> Timing {
  let samples = try (0..<min(batchSize, info.count)).map { try dataset.sample($0, of: info) }
  let images = try Tensor(
    samples.flatMap(\.image), shape: [samples.count, info.height, info.width, 3])
  func secondsPerImage(_ engine: any Engine, _ kind: EngineKind) throws -> Double {
    let seconds = try medianSeconds {
      let stopwatch = Stopwatch()
      _ = try withoutGradients {
        try withPrecision(machine.running(kind).precision, on: machine.device) {
          try engine.predictions(
            for: engine.network.normalized(images), training: false, using: nil)
        }.map { try $0.to(.float32).to(Device.cpu).array(of: Float.self) }
      }
      return stopwatch.seconds
    }
    return seconds / Double(samples.count)
  }
  // One engine after the other and not in turn: a network changes between them by making its weights
  // anew, and two networks would take the memory of both.
  let own = try secondsPerImage(engine, kind)
  let obstacle = EngineKind.obstacleToSparse(kept: masks.keptWeights, on: machine.device)
  func other(_ kind: EngineKind) throws -> Double {
    try secondsPerImage(engine.network.engine(kind, masks: masks), kind)
  }
  return Timing(
    dense: kind == .dense ? own : try other(.dense),
    sparse: kind == .sparse ? own : obstacle == nil ? try other(.sparse) : nil,
    batchSize: samples.count, threads: Runtime.threads, precision: machine.precision.rawValue,
    processor: machine.device == .cpu ? processorName : "CUDA GPU")
}

/// The median of some rounds' seconds: of three, and of up to nine as long as all together take less
/// than two seconds. The first round, for which memory is to be had, does not count.
package func medianSeconds(of round: () throws -> Double) rethrows -> Double {
  _ = try round()
  var seconds: [Double] = []
  while seconds.count < 3 || (seconds.count < 9 && seconds.reduce(0, +) < 2) {
    seconds.append(try round())
  }
  seconds.sort()
  return (seconds[(seconds.count - 1) / 2] + seconds[seconds.count / 2]) / 2
}

/// As Linux tells it, on most processors.
private var processorName: String? {
  let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(
    separator: "\n")
  return lines?.first { $0.hasPrefix("model name") }?.split(separator: ":", maxSplits: 1).last?
    .trimmingCharacters(in: .whitespaces)
}

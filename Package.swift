// swift-tools-version: 6.1
// The rooms of the house and who may import whom.

import PackageDescription

// libtorch: LIBTORCH=/path names one that is already there, else pipeline/setup unpacked one.
let libtorch = Context.environment["LIBTORCH"] ?? Context.packageDirectory + "/.deps/torch"

// C++20 would import CSparse as a module, which nobody builds for C++.
let torchHeaders: [CXXSetting] = [
  .unsafeFlags([
    "-fno-cxx-modules",
    "-isystem", libtorch + "/include", "-isystem", libtorch + "/include/torch/csrc/api/include",
  ])
]
let torchLibraries: [LinkerSetting] = [
  .unsafeFlags(["-L" + libtorch + "/lib", "-Xlinker", "-rpath", "-Xlinker", libtorch + "/lib"]),
  .linkedLibrary("torch_cpu"), .linkedLibrary("c10"),
]

let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let mustache = Target.Dependency.product(name: "Mustache", package: "swift-mustache")

func tool(_ name: String, _ rooms: [Target.Dependency]) -> Target {
  .executableTarget(
    name: name, dependencies: ["Artifacts", "CommandLine", "Formatting", arguments] + rooms)
}

let package = Package(
  name: "disparse",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
  ],
  targets: [
    .target(name: "CSparse"),
    .target(
      name: "CTorch", dependencies: ["CSparse"], cxxSettings: torchHeaders,
      linkerSettings: torchLibraries),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
    .systemLibrary(
      name: "CDeflate", pkgConfig: "libdeflate", providers: [.apt(["libdeflate-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),

    .target(name: "Formatting"),
    .target(name: "Processes"),
    .target(name: "Torch", dependencies: ["CTorch"]),
    .target(name: "Collectives", dependencies: ["CMPI", "Torch"]),
    .target(name: "HDF5", dependencies: ["CHDF5", "CDeflate"]),
    .target(name: "Artifacts", dependencies: ["HDF5", "CCrypto", "Formatting"]),
    .target(name: "Scenes"),
    .target(
      name: "Datasets",
      dependencies: ["Artifacts", "Scenes", "Torch", "HDF5", "CPNG", "CDeflate", "Formatting"]),
    .target(name: "Graphs"),
    .target(name: "Networks", dependencies: ["Graphs", "Torch", "Formatting"]),
    .target(
      name: "Exchange", dependencies: ["Graphs", "Torch", "CDeflate", protobuf],
      exclude: ["ONNX/Messages.proto"]),
    .target(name: "Tasks", dependencies: ["Torch"]),
    .target(name: "Sparsity", dependencies: ["Torch"]),
    .target(
      name: "Training",
      dependencies: [
        "Graphs", "Networks", "Tasks", "Sparsity", "Artifacts", "Datasets", "Collectives",
        "Formatting",
      ]),
    .target(
      name: "Reporting",
      dependencies: ["Artifacts", "Tasks", "Formatting", "Processes", "CPNG", mustache],
      resources: [
        "report.mustache", "methods.mustache", "head.mustache", "figure.mustache",
        "origin.mustache",
        "report.css", "style.gnuplot", "lines.gnuplot", "bars.gnuplot",
      ].map {
        .embedInCode($0)
      }),
    .target(name: "CommandLine", dependencies: ["Collectives", arguments]),
    .target(name: "NetworkOptions", dependencies: ["CommandLine", "Training", arguments]),

    tool("prepare-data", ["Datasets"]),
    tool("score-importance", ["NetworkOptions"]),
    tool("merge-masks", ["Sparsity", "Training"]),
    tool("sparse-train", ["NetworkOptions", "Sparsity"]),
    tool("evaluate", ["NetworkOptions", "Reporting"]),
    tool("convert-model", ["Exchange", "Training"]),
    // Times single steps for pipeline/bench.
    tool("bench", ["NetworkOptions", "CDeflate", "HDF5"]),

    .target(name: "TestSupport", dependencies: ["HDF5", "Processes"], path: "Tests/TestSupport"),
    .testTarget(name: "TorchTests", dependencies: ["Torch", "TestSupport"]),
    .testTarget(name: "CollectivesTests", dependencies: ["Collectives"]),
    .testTarget(name: "HDF5Tests", dependencies: ["HDF5", "TestSupport"]),
    .testTarget(name: "ArtifactsTests", dependencies: ["Artifacts", "CHDF5", "TestSupport"]),
    .testTarget(name: "ScenesTests", dependencies: ["Scenes"]),
    .testTarget(
      name: "DatasetsTests", dependencies: ["Datasets", "HDF5", "CDeflate", "TestSupport"]),
    .testTarget(name: "GraphsTests", dependencies: ["Graphs", "Artifacts", "TestSupport"]),
    .testTarget(name: "NetworksTests", dependencies: ["Networks", "Graphs", "TestSupport"]),
    .testTarget(
      name: "ExchangeTests", dependencies: ["Exchange", "Networks", "TestSupport"],
      exclude: ["Fixtures", "export.py"]),
    .testTarget(name: "TasksTests", dependencies: ["Tasks", "Artifacts", "TestSupport"]),
    .testTarget(name: "SparsityTests", dependencies: ["Sparsity", "TestSupport"]),
    .testTarget(name: "TrainingTests", dependencies: ["Training", "TestSupport"]),
    .testTarget(
      name: "ReportingTests",
      dependencies: ["Reporting", "Artifacts", "Tasks", "CommandLine", "Formatting", "TestSupport"]),
    .testTarget(
      name: "IntegrationTests", dependencies: ["HDF5", "TestSupport"], exclude: ["Golden"]),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx20
)

// Rooms are built again when a room that they name changed, and one that was built again to the same
// .swiftmodule counts as unchanged. But the layout of a struct reaches every room above, so every
// room names all that is below it. What a room names stands before it.
var below: [String: [String: Target.Dependency]] = [:]
for target in package.targets {
  var named: [String: Target.Dependency] = [:]
  for dependency in target.dependencies {
    switch dependency {
    case .targetItem(let name, _), .byNameItem(let name, _), .productItem(let name, _, _, _):
      named[name] = dependency
    @unknown default: break
    }
  }
  let all = named.keys.reduce(into: named) { all, name in
    all.merge(below[name] ?? [:]) { first, _ in first }
  }
  below[target.name] = all
  target.dependencies += all.filter { named[$0.key] == nil }.sorted { $0.key < $1.key }.map(\.value)
}

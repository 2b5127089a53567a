// swift-tools-version: 6.0
import PackageDescription

/// C libraries come from the system through pkg-config; `make` installs the Debian packages.
/// `hdf5-serial`, never `hdf5`: where both are installed the latter names the MPI build.
func systemLibrary(_ name: String, pkgConfig: String, apt: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt])])
}

/// A module may import only the modules listed before it.
func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: [.swiftLanguageMode(.v6)])
}

func tests(of name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: [.init(stringLiteral: name)] + dependencies,
        swiftSettings: [.swiftLanguageMode(.v6)])
}

let package = Package(
    name: "rdo",
    products: [.executable(name: "rdo", targets: ["rdo"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    ],
    targets: [
        systemLibrary("COpenMPI", pkgConfig: "ompi-c", apt: "libopenmpi-dev"),
        systemLibrary("CHDF5", pkgConfig: "hdf5-serial", apt: "libhdf5-dev"),
        systemLibrary("COpenBLAS", pkgConfig: "openblas", apt: "libopenblas-dev"),
        systemLibrary("CPCRE2", pkgConfig: "libpcre2-8", apt: "libpcre2-dev"),
        systemLibrary("CXXHash", pkgConfig: "libxxhash", apt: "libxxhash-dev"),
        systemLibrary("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
        .target(name: "CSentencePiece", linkerSettings: [.linkedLibrary("sentencepiece")]),
        .target(name: "CKernels", cSettings: [.unsafeFlags(["-O3", "-fno-math-errno", "-fno-trapping-math"])]),

        module("Diagnostics", [.product(name: "Logging", package: "swift-log")]),
        module("Tensors", ["CKernels", "COpenBLAS", "Diagnostics"]),
        module("Transformer", ["Tensors", "Diagnostics"]),
        module("Parallel", ["Transformer", "Tensors", "Diagnostics", "COpenMPI"]),
        module(
            "Preferences",
            ["Transformer", "Tensors", "Diagnostics", "CPCRE2", "CSentencePiece", "CXXHash", "CZlib"]),
        module("Objectives", []),
        module(
            "Configuration",
            ["Objectives", "Preferences", "Transformer", "Diagnostics", .product(name: "Yams", package: "Yams")]),
        module(
            "Storage",
            ["Preferences", "Parallel", "Transformer", "Tensors", "Diagnostics", "CHDF5", "CXXHash"]),
        module(
            "Planning", ["Preferences", "Parallel", "Transformer", "Tensors", "Diagnostics"]),
        module(
            "Training",
            [
                "Storage", "Objectives", "Preferences", "Parallel", "Transformer", "Tensors", "Configuration",
                "Diagnostics",
            ]),
        module(
            "Passes",
            [
                "Planning", "Training", "Storage", "Objectives", "Preferences", "Parallel", "Transformer", "Tensors",
                "Configuration",
                "Diagnostics",
            ]),
        .executableTarget(
            name: "rdo",
            dependencies: [
                "Passes", "Planning", "Training", "Storage", "Objectives", "Preferences", "Parallel", "Transformer",
                "Tensors",
                "Configuration", "Diagnostics", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: [.swiftLanguageMode(.v6)]),

        // Run by ParallelTests under mpirun.
        .executableTarget(
            name: "mpi-checks", dependencies: ["Parallel", "Transformer", "Tensors", "Diagnostics"],
            swiftSettings: [.swiftLanguageMode(.v6)]),
        .target(
            name: "TestSupport", dependencies: ["Transformer", "Tensors"], path: "Tests/TestSupport",
            swiftSettings: [.swiftLanguageMode(.v6)]),
        tests(of: "Configuration"),
        tests(of: "Tensors"),
        tests(of: "Transformer", ["Tensors", "TestSupport"]),
        tests(of: "Parallel", ["Transformer", "Tensors", "TestSupport", "mpi-checks"]),
        tests(of: "Preferences", ["Transformer", "TestSupport"]),
        tests(of: "Objectives"),
        tests(of: "Planning", ["Preferences", "Transformer", "Diagnostics", "TestSupport"]),
        tests(of: "Storage", ["Preferences", "Transformer", "Tensors", "Diagnostics", "TestSupport"]),
        tests(
            of: "Passes", ["Training", "Objectives", "Storage", "Preferences", "Transformer", "Tensors", "TestSupport"]),
        .testTarget(
            name: "EndToEndTests", dependencies: ["rdo", "Storage", "TestSupport"],
            swiftSettings: [.swiftLanguageMode(.v6)]),
    ]
)

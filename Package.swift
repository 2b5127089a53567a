// swift-tools-version: 6.0
import PackageDescription

/// With RDO_STRICT set, as `.ci/run` does, warnings in this package are errors; dependencies and users with a newer
/// compiler are left alone. (`-Xswiftc -warnings-as-errors` contradicts what dependencies are compiled with.)
let isStrict = Context.environment["RDO_STRICT"] != nil
let swift: [SwiftSetting] = [.swiftLanguageMode(.v6)] + (isStrict ? [.unsafeFlags(["-warnings-as-errors"])] : [])
let strictC = isStrict ? ["-Wall", "-Werror"] : []

/// C libraries come from the system through pkg-config; `make` installs the Debian packages.
/// `hdf5-serial`, never `hdf5`: where both are installed the latter names the MPI build.
func systemLibrary(_ name: String, pkgConfig: String, apt: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt])])
}

/// A module may import only the modules listed before it.
/// - Parameter embedded: files that become constants of the program (`PackageResources`), so that it stays one file.
func module(_ name: String, _ dependencies: [Target.Dependency], embedding embedded: [String] = []) -> Target {
    .target(
        name: name, dependencies: dependencies, resources: embedded.map { .embedInCode($0) }, swiftSettings: swift)
}

func tests(of name: String, _ dependencies: [Target.Dependency] = [], excluding: [String] = []) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: [.init(stringLiteral: name), "TestSupport"] + dependencies,
        exclude: excluding, swiftSettings: swift)
}

let package = Package(
    name: "rdo",
    products: [.executable(name: "rdo", targets: ["rdo"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    ],
    targets: [
        systemLibrary("COpenMPI", pkgConfig: "ompi-c", apt: "libopenmpi-dev"),
        systemLibrary("CHDF5", pkgConfig: "hdf5-serial", apt: "libhdf5-dev"),
        systemLibrary("COpenBLAS", pkgConfig: "openblas", apt: "libopenblas-dev"),
        systemLibrary("CPCRE2", pkgConfig: "libpcre2-8", apt: "libpcre2-dev"),
        systemLibrary("CXXHash", pkgConfig: "libxxhash", apt: "libxxhash-dev"),
        systemLibrary("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
        systemLibrary("CCurl", pkgConfig: "libcurl", apt: "libcurl4-openssl-dev"),
        .target(
            name: "CSentencePiece", cxxSettings: [.unsafeFlags(strictC)],
            linkerSettings: [.linkedLibrary("sentencepiece")]),
        .target(
            name: "CKernels", cSettings: [.unsafeFlags(["-O3", "-fno-math-errno", "-fno-trapping-math"] + strictC)]),

        module("Diagnostics", []),
        module("Coding", ["Diagnostics", "CXXHash"]),
        module("Columns", ["Coding", "Diagnostics"]),
        module("Tensors", ["Diagnostics", "CKernels", "COpenBLAS"]),
        module("Transformer", ["Tensors", "Coding", "Diagnostics"]),
        module("Costs", ["Transformer"]),
        module("Parallel", ["Transformer", "Tensors", "Coding", "Diagnostics", "COpenMPI"]),
        module(
            "Preferences",
            [
                "Costs", "Transformer", "Tensors", "Columns", "Coding", "Diagnostics", "CPCRE2", "CSentencePiece",
                "CZlib",
            ]),
        module("Generation", ["Preferences", "Transformer", "Tensors", "Diagnostics"]),
        module("Objectives", ["Diagnostics"]),
        module(
            "Settings",
            ["Objectives", "Preferences", "Transformer", "Diagnostics", .product(name: "Yams", package: "Yams")]),
        module("Storage", ["Preferences", "Transformer", "Tensors", "Columns", "Coding", "Diagnostics", "CHDF5"]),
        module("Inspection", ["Storage", "Objectives", "Tensors", "Columns", "Coding", "Diagnostics"]),
        module("Planning", ["Parallel", "Costs", "Transformer", "Tensors", "Coding", "Diagnostics"]),
        module(
            "Training",
            [
                "Inspection", "Storage", "Settings", "Preferences", "Parallel", "Costs", "Transformer", "Tensors",
                "Coding", "Diagnostics",
            ]),
        module(
            "Methods",
            [
                "Training", "Storage", "Settings", "Objectives", "Preferences", "Parallel", "Costs", "Transformer",
                "Tensors", "Columns", "Coding", "Diagnostics",
            ]),
        module(
            "Passes",
            [
                "Methods", "Training", "Inspection", "Generation", "Storage", "Settings", "Objectives", "Preferences",
                "Parallel", "Costs", "Transformer", "Tensors", "Columns", "Coding", "Diagnostics",
            ]),
        module(
            "Tools",
            [
                "Passes", "Methods", "Training", "Planning", "Inspection", "Storage", "Settings", "Preferences",
                "Objectives", "Parallel", "Costs", "Transformer", "Tensors", "Columns", "Coding", "Diagnostics",
            ]),
        module(
            "Report", ["Passes", "Settings", "Inspection", "Storage", "Objectives", "Coding", "Diagnostics"],
            embedding: [
                "Page/page.html", "Page/page.css", "Page/elements.js", "Page/charts.js", "Page/training.js",
                "Page/evaluation.js", "Page/coefficients.js", "Page/ledger.js", "Page/pairs.js", "Page/provenance.js",
                "Page/main.js",
            ]),
        module(
            "Judging",
            [
                "Report", "Passes", "Training", "Settings", "Inspection", "Storage", "Preferences", "Tensors",
                "Coding", "Diagnostics", "CCurl",
            ],
            embedding: ["Sheet/Page/sheet.html", "Sheet/Page/sheet.css", "Sheet/Page/sheet.js"]),
        .executableTarget(
            name: "rdo",
            dependencies: [
                "Judging", "Report", "Tools", "Passes", "Training", "Planning", "Inspection", "Objectives", "Storage",
                "Preferences", "Parallel", "Tensors", "Diagnostics",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swift),

        // Run by ParallelTests under mpirun.
        .executableTarget(
            name: "mpi-checks", dependencies: ["Parallel", "Transformer", "Tensors", "Diagnostics"],
            swiftSettings: swift),
        .target(
            name: "TestSupport", dependencies: ["Transformer", "Tensors"], path: "Tests/TestSupport",
            swiftSettings: swift),
        tests(of: "Coding", ["Diagnostics"]),
        tests(of: "Columns", ["Coding"]),
        tests(of: "Tensors"),
        tests(of: "Transformer", ["Tensors"]),
        tests(of: "Costs", ["Transformer"]),
        tests(of: "Parallel", ["Transformer", "Tensors", "mpi-checks"]),
        tests(
            of: "Preferences", ["Costs", "Transformer", "Columns", "Coding"],
            excluding: ["chat-templates.json", "tokenizers.json"]),
        tests(of: "Generation", ["Preferences", "Tensors"], excluding: ["sampling-goldens.json"]),
        tests(of: "Objectives", ["Diagnostics"]),
        tests(of: "Settings", ["Passes", "Methods", "Objectives", "Diagnostics"]),
        tests(
            of: "Storage", ["Inspection", "Preferences", "Transformer", "Tensors", "Columns", "Coding", "Diagnostics"]),
        tests(
            of: "Inspection", ["Storage", "Objectives", "Columns", "Coding"],
            excluding: ["inspection-goldens.json", "evaluation-goldens.json"]),
        tests(of: "Planning", ["Costs", "Transformer", "Diagnostics"]),
        tests(of: "Training", ["Settings", "Transformer", "Diagnostics"]),
        tests(
            of: "Methods",
            [
                "Training", "Objectives", "Storage", "Preferences", "Costs", "Transformer", "Tensors", "Columns",
                "Coding",
            ]),
        tests(of: "Passes", ["Preferences", "Costs", "Transformer", "Diagnostics"]),
        tests(of: "Tools", ["Passes", "Planning", "Methods", "Settings", "Inspection", "Objectives", "Diagnostics"]),
        tests(of: "Report", ["Inspection", "Storage", "Columns", "Coding", "Diagnostics"]),
        tests(of: "Judging", ["Settings", "Preferences", "Coding", "Diagnostics"]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "rdo", "Methods", "Objectives", "Storage", "Preferences", "Transformer", "Coding", "TestSupport",
            ], exclude: ["Goldens"],
            swiftSettings: swift),
    ]
)

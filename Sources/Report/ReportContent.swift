import Diagnostics
import Foundation
import Inspection
import Settings

/// Everything that a page shows, as the JSON in it; names become snake case, as `rdo inspect --json` has them.
package struct ReportContent: Encodable {
    /// What was done: a key of the configuration that is not the same in all runs.
    package struct Difference: Encodable, Equatable {
        package let key: String
        /// One for each run; nil where the run has no such key, or no legible configuration.
        package let values: [String?]
    }

    package let software = Version.software
    package let created = Date().formatted(.iso8601)
    package let runs: [RunContent]
    /// Nil where no two runs have a configuration to compare.
    package let differences: [Difference]?
    /// What is missing, damaged or left out: for the page and for standard error.
    package let notes: [String]
}

/// One run, or one artefact that stands for itself.
package struct RunContent: Encodable {
    /// As short as it is unlike the other runs' names.
    package let name: String
    /// As the command line named it.
    package let path: String
    package let passes: [PassContent]
    package let artefacts: [ArtefactContent]
    /// What `rdo evaluate` found; nil where it has not run.
    package let evaluation: Evaluation?
    package let configurations: [ConfigurationContent]
}

/// What a training pass wrote while it trained, and what is remembered of any pass.
package struct PassContent: Encodable {
    package let name: String
    /// Nil where the run does not remember the pass.
    package let isComplete: Bool?
    package let recipe: [Fact]
    package let training: CurveTable?
    package let evaluation: CurveTable?
}

/// A named line for people.
package struct Fact: Encodable, Equatable {
    package let name: String
    package let value: String
}

/// A file, a checkpoint or an exported model, with what its header says.
package struct ArtefactContent: Encodable {
    /// Within the run.
    package let file: String
    package let schema: String
    package let created: String?
    package let software: String
    package let ranks: Int?
    package let facts: [Fact]
    /// What `rdo inspect` says of it; nil where the facts are all there is to say.
    package let summary: ArtefactSummary?
}

/// A configuration and the places that state it.
package struct ConfigurationContent: Encodable, Equatable {
    package let yaml: String
    package let statedBy: [String]
}

import Diagnostics
import Foundation

/// An artefact's file, and those of its kin that stand beside it: `reference.h5`, `reference-test.h5`,
/// `reference-kto.h5`.
package struct ArtefactPath: Sendable, Equatable {
    package let path: String

    package init(_ path: String) { self.path = path }

    /// The held-out part's own file.
    package func of(_ role: DataRole) -> ArtefactPath { role == .heldOut ? marked("test") : self }

    /// The log-probabilities of KTO's mismatched combinations.
    package var mismatched: ArtefactPath { marked("kto") }

    /// The mark stands before the last extension, or at the end of a name that has none.
    private func marked(_ mark: String) -> ArtefactPath {
        let url = URL(ofFile: path)
        let suffix = url.pathExtension.isEmpty ? "" : "." + url.pathExtension
        return ArtefactPath(url.deletingPathExtension().path + "-" + mark + suffix)
    }
}

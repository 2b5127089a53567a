/// A record as token ids.
package protocol TokenizedRow: Sendable {
    /// Lines of all files before the record's: see `PreferenceRecord`.
    var row: Int { get set }
    var isPromptTruncated: Bool { get }
    var truncatedResponses: [Bool] { get }
}

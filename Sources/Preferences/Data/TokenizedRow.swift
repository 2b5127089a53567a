/// A record as token ids.
package protocol TokenizedRow: Sendable {
    var isPromptTruncated: Bool { get }
    var truncatedResponses: [Bool] { get }
}

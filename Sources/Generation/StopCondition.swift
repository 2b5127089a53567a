import Foundation
import Preferences

/// When a response is at its end, and what its text is.
package struct StopCondition: Sendable {
    private let endTokens: Set<Int32>
    private let texts: [String]
    private let maxTokens: Int
    private let tokenizer: any Tokenizer
    /// So many last tokens hold a stop text that the last one completed, each being a byte at least: the rest is for tokens
    /// without any text.
    private let window: Int

    package init(_ decoding: Decoding, endTokens: [Int32], tokenizer: any Tokenizer) {
        (self.endTokens, texts, maxTokens) = (Set(endTokens), decoding.stop, decoding.maxTokens)
        self.tokenizer = tokenizer
        window = (texts.map(\.utf8.count).max() ?? 0) + 16
    }

    /// Nil while the response goes on. Asked after every token.
    /// - Throws: when the tokenizer cannot read the ids.
    package func end(of ids: [Int32]) throws -> ResponseEnd? {
        if let last = ids.last, endTokens.contains(last) { return .eos }
        if !texts.isEmpty {
            let text = try tokenizer.decode(Array(ids.suffix(window)))
            if texts.contains(where: { text.range(of: $0, options: .literal) != nil }) { return .stop }
        }
        return ids.count >= maxTokens ? .length : nil
    }

    var endTokenCount: Int { endTokens.count }

    /// The response's text: without its end token, and without the stop text and what follows.
    /// - Throws: when the tokenizer cannot read the ids.
    package func text(of response: GeneratedResponse) throws -> String {
        let text = try tokenizer.decode(response.end == .eos ? response.ids.dropLast() : response.ids)
        guard response.end == .stop else { return text }
        let first = texts.compactMap { text.range(of: $0, options: .literal)?.lowerBound }.min()
        return String(text[..<(first ?? text.endIndex)])
    }
}

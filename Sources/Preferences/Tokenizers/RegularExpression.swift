import CPCRE2

/// A regular expression over UTF-8 bytes with Unicode classes (PCRE2, just-in-time compiled where possible).
///
/// Tokenizer files are written for Oniguruma's Ruby syntax: see `PatternTranslation`; adapters' for Python's. The
/// letters and numbers are those of the installed PCRE2's Unicode version.
///
/// `@unchecked Sendable`: code and limits are only read while matching.
package final class RegularExpression: @unchecked Sendable {
    private let code: OpaquePointer
    private let limits: OpaquePointer
    /// The pattern as the file has it, for messages.
    private let pattern: [UInt8]

    /// Why a pattern cannot be used.
    package struct PatternError: Error { package let what: String }

    /// Steps after which a match is given up, as in Oniguruma; more where the text is long, since one match may be too.
    private static let matchLimit = 10_000_000
    private static let longText = 1 << 16
    /// Kibibytes that the interpreter may take.
    private static let heapLimit: UInt32 = 1 << 20

    /// - Throws: `PatternError` when PCRE2 refuses the pattern or would read it otherwise than Oniguruma.
    convenience init(_ pattern: [UInt8]) throws(PatternError) {
        // `^` and `$` match at line breaks in Ruby syntax.
        try self.init(pattern, translated: PatternTranslation.translated(pattern), PCRE2_MULTILINE)
    }

    /// A pattern of Python's `re`, which PCRE2 reads alike. It matches from the beginning of a text only, as `re.match` does.
    ///
    /// - Throws: `PatternError` when PCRE2 refuses it.
    package convenience init(python pattern: String) throws(PatternError) {
        let pattern = Array(pattern.utf8)
        try self.init(pattern, translated: pattern, PCRE2_ANCHORED)
    }

    private init(_ pattern: [UInt8], translated: [UInt8], _ own: UInt32) throws(PatternError) {
        self.pattern = pattern
        var number: Int32 = 0
        var offset = 0
        // `\C` would end a match within a character.
        let options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | own
        guard let code = pcre2_compile_8(translated, translated.count, options, &number, &offset, nil) else {
            throw PatternError(what: Self.message(number))
        }
        guard let limits = Self.limits(Self.matchLimit) else {
            pcre2_code_free_8(code)
            throw PatternError(what: "out of memory")
        }
        // Without JIT (another architecture, or memory that may not be executable) matching is only slower.
        pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE)
        (self.code, self.limits) = (code, limits)
    }

    deinit {
        pcre2_match_context_free_8(limits)
        pcre2_code_free_8(code)
    }

    private static func limits(_ steps: Int) -> OpaquePointer? {
        guard let limits = pcre2_match_context_create_8(nil) else { return nil }
        pcre2_set_match_limit_8(limits, UInt32(clamping: steps))
        // What depth costs is memory.
        pcre2_set_depth_limit_8(limits, .max)
        pcre2_set_heap_limit_8(limits, heapLimit)
        return limits
    }

    private static func message(_ number: Int32) -> String {
        var message = [UInt8](repeating: 0, count: 256)
        pcre2_get_error_message_8(number, &message, message.count)
        return String(decoding: message.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// True for what `\p{sc:…}` knows by that name; false for all names where PCRE2 is too old to know `sc:`.
    static func isScript(_ name: some Sequence<UInt8>) -> Bool {
        let pattern = Array("\\p{sc:".utf8) + name + [UInt8(ascii: "}")]
        var number: Int32 = 0
        var offset = 0
        guard let code = pcre2_compile_8(pattern, pattern.count, PCRE2_UTF, &number, &offset, nil) else { return false }
        pcre2_code_free_8(code)
        return true
    }

    private func failure(_ why: String) -> TextError {
        TextError(what: "the regular expression \(String(decoding: pattern, as: UTF8.self).quoted) fails (\(why))")
    }

    /// Whether there is a match in `text`, which must not be empty.
    ///
    /// - Throws: `PatternError` when the matcher gives up.
    package func matches(_ text: String) throws(PatternError) -> Bool {
        var isFound = false
        let text = Array(text.utf8)
        do {
            try text.withUnsafeBufferPointer { text throws(TextError) in
                try forEachMatch(in: text) { _ in isFound = true }
            }
        } catch {
            throw PatternError(what: error.what)
        }
        return isFound
    }

    /// Calls `body` with every match, left to right, none overlapping; `text` must be valid UTF-8 and not empty.
    ///
    /// - Throws: naming the pattern, when the matcher gives up or a match goes backwards.
    func forEachMatch(in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) throws(TextError) {
        guard let data = pcre2_match_data_create_from_pattern_8(code, nil) else { throw failure("out of memory") }
        defer { pcre2_match_data_free_8(data) }
        guard let ends = pcre2_get_ovector_pointer_8(data) else { throw failure("out of memory") }
        let own = text.count > Self.longText ? Self.limits(Self.matchLimit + 64 * text.count) : nil
        defer { if let own { pcre2_match_context_free_8(own) } }
        let limits = own ?? self.limits
        var start = 0
        var lastEnd = -1
        func match(_ options: UInt32) -> Int32 {
            pcre2_match_8(code, text.baseAddress, text.count, start, PCRE2_NO_UTF_CHECK | options, data, limits)
        }
        while start <= text.count {
            var result = match(0)
            // The interpreter keeps its state on the heap.
            if result == PCRE2_ERROR_JIT_STACKLIMIT { result = match(PCRE2_NO_JIT) }
            if result == PCRE2_ERROR_NOMATCH { return }
            guard result > 0 else { throw failure(Self.message(result)) }
            // `\K` in a group that a look-around calls may put either end anywhere.
            guard start <= ends[0], ends[0] <= ends[1] else { throw failure("a match goes backwards") }
            let match = ends[0]..<ends[1]
            // An empty match right behind the last one is none; look again one character further.
            if match.isEmpty && match.upperBound == lastEnd {
                guard match.upperBound < text.count else { return }
                start = match.upperBound + text.scalar(at: match.upperBound).length
                lastEnd = -1
                continue
            }
            body(match)
            start = match.upperBound
            lastEnd = match.upperBound
        }
    }
}

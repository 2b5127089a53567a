import CPCRE2

/// A regular expression over UTF-8 bytes with Unicode classes (PCRE2, just-in-time compiled where possible).
///
/// Tokenizer files are written for Oniguruma's Ruby syntax. Where the two engines differ, the pattern is translated
/// or refused: see `translated`. The letters and numbers are those of the installed PCRE2's Unicode version.
///
/// `@unchecked Sendable`: code and limits are only read while matching.
final class RegularExpression: @unchecked Sendable {
    private let code: OpaquePointer
    private let limits: OpaquePointer

    /// Why a pattern cannot be used.
    struct PatternError: Error { let what: String }

    init(_ pattern: [UInt8]) throws {
        let translated = try Self.translated(pattern)
        var number: Int32 = 0
        var offset = 0
        // `^` and `$` match at line breaks in Ruby syntax.
        let options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE
        guard let code = pcre2_compile_8(translated, translated.count, options, &number, &offset, nil) else {
            var message = [UInt8](repeating: 0, count: 256)
            pcre2_get_error_message_8(number, &message, message.count)
            throw PatternError(what: String(decoding: message.prefix { $0 != 0 }, as: UTF8.self))
        }
        guard let limits = pcre2_match_context_create_8(nil) else { throw PatternError(what: "out of memory") }
        pcre2_set_match_limit_8(limits, .max)
        pcre2_set_depth_limit_8(limits, .max)
        // Without JIT (another architecture, or memory that may not be executable) matching is only slower.
        pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE)
        (self.code, self.limits) = (code, limits)
    }

    deinit {
        pcre2_match_context_free_8(limits)
        pcre2_code_free_8(code)
    }

    /// Calls `body` with every match, left to right, none overlapping; `text` must be valid UTF-8 and not empty.
    func forEachMatch(in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
        guard let data = pcre2_match_data_create_from_pattern_8(code, nil) else { return }
        defer { pcre2_match_data_free_8(data) }
        guard let ends = pcre2_get_ovector_pointer_8(data) else { return }
        var start = 0
        var lastEnd = -1
        func match(_ options: UInt32) -> Int32 {
            pcre2_match_8(code, text.baseAddress, text.count, start, PCRE2_NO_UTF_CHECK | options, data, limits)
        }
        while start <= text.count {
            var result = match(0)
            // The interpreter keeps its state on the heap.
            if result == PCRE2_ERROR_JIT_STACKLIMIT { result = match(PCRE2_NO_JIT) }
            guard result > 0 else { return }
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

    /// The pattern with `\s`, `\S` and `\w` spelled by the properties that Oniguruma gives them (PCRE2's own differ by
    /// some characters, such as U+180E), and constructs refused that would mean something else.
    private static func translated(_ pattern: [UInt8]) throws -> [UInt8] {
        let word = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
        // Outside of a character class the Latin-1 superscripts and fractions are word characters too.
        let wordAlone = word + "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"
        var result: [UInt8] = []
        var isInClass = false
        var index = 0
        while index < pattern.count {
            let byte = pattern[index]
            let next = index + 1 < pattern.count ? pattern[index + 1] : nil
            if byte == UInt8(ascii: "\\"), let next {
                switch next {
                case UInt8(ascii: "s"): result += "\\p{White_Space}".utf8
                case UInt8(ascii: "S"): result += "\\P{White_Space}".utf8
                case UInt8(ascii: "w"): result += (isInClass ? word : "[\(wordAlone)]").utf8
                case UInt8(ascii: "W") where !isInClass: result += "[^\(wordAlone)]".utf8
                case UInt8(ascii: "W"), UInt8(ascii: "h"), UInt8(ascii: "H"):
                    throw PatternError(what: "\\\(Character(Unicode.Scalar(next))) is not supported here")
                default: result += [byte, next]
                }
                index += 2
                continue
            }
            if isInClass {
                if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "&") && next == byte {
                    throw PatternError(what: "a character class inside another is not supported")
                }
                // A closing bracket that comes first stands for itself.
                isInClass = byte != UInt8(ascii: "]") || isFirstInClass(result)
            } else if byte == UInt8(ascii: "[") {
                isInClass = true
            }
            result.append(byte)
            index += 1
        }
        return result
    }

    private static func isFirstInClass(_ prefix: [UInt8]) -> Bool {
        let before = prefix.last == UInt8(ascii: "^") ? prefix.dropLast() : prefix[...]
        return before.last == UInt8(ascii: "[") && before.dropLast().last != UInt8(ascii: "\\")
    }
}

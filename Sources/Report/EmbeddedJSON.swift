import Foundation

/// JSON that stands within an HTML page.
package enum EmbeddedJSON {
    /// The value with snake-case names, every character escaped that HTML or JavaScript could take for its own. In JSON
    /// these stand in strings only, so an escape means the same. A number that is not finite becomes a word.
    ///
    /// - Throws: `EncodingError` for what JSON cannot say.
    package static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return escaped(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    static func escaped(_ json: String) -> String {
        var text = ""
        text.reserveCapacity(json.utf8.count + json.utf8.count / 16)
        for scalar in json.unicodeScalars {
            switch scalar {
            case "<", ">", "&", "\u{2028}", "\u{2029}":
                text += "\\u" + String(format: "%04x", scalar.value)
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

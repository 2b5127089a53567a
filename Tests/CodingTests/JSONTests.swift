import Diagnostics
import Foundation
import Testing

@testable import Coding

@Suite("JSON") struct JSONTests {
    func parse(_ text: String) throws -> JSONValue { try JSONParser.parse(Array(text.utf8)) }

    @Test(arguments: [
        "", " ", "nul", "[1,]", "{\"a\" 1}", "{\"a\":1,}", "\"\\x\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
        "\"\\udc00\"", "\"\\u00g0\"", "\"a\nb\"", "\"", "01x", "01", "-01", ".5", "1.", "1.e5", "1e", "1e+", "1e400",
        "[1] 2", "+1", "-", "NaN", "Infinity", "{1:2}", "{\"a\":}", "\u{FEFF}1",
    ]) func whatIsNoJSON(_ text: String) {
        #expect(throws: JSONSyntaxError.self) { try parse(text) }
    }

    @Test func depthIsBounded() throws {
        #expect(throws: Never.self) {
            try parse(String(repeating: "[", count: 500) + String(repeating: "]", count: 500))
        }
        for bracket in ["[", "{\"a\":"] {
            let error = #expect(throws: JSONSyntaxError.self) { try parse(String(repeating: bracket, count: 100_000)) }
            #expect(error?.what == "nested too deeply")
        }
    }

    @Test func invalidUTF8IsRefused() {
        let error = #expect(throws: JSONSyntaxError.self) { try JSONParser.parse([0x22, 0xC3, 0x22]) }
        #expect(error?.what == JSONSyntaxError.encoding)
    }

    @Test func errorsNameTheLine() {
        let error = #expect(throws: JSONSyntaxError.self) { try parse("{\n\n\"a\": x}") }
        #expect(error?.line == 3 && error?.what == "unexpected character")
    }

    @Test func escapes() throws {
        #expect(try parse(#" "\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00é\u0000" "#).text == "\"\\/\u{8}\u{C}\n\r\té😀é\0")
    }

    @Test func numbers() throws {
        for (text, value) in [
            ("0", 0), ("-0", 0), ("17", 17), ("9223372036854775807", Int.max), ("-9223372036854775808", Int.min),
            ("2.0", 2), ("2e1", 20), ("-1E+0", -1),
        ] { #expect(try parse(text).integer == value) }
        for text in ["1.5", "9223372036854775808", "1e19", "true", "\"1\"", "null"] {
            #expect(try parse(text).integer == nil)
        }
        // Correctly rounded, however many digits there are.
        for text in ["0.1", "0.30000000000000004", "18446744073709551615", "0.12345678901234567890123456789", "5e-324"]
        {
            #expect(try parse(text).double == Double(text))
        }
        #expect(try parse("-0.0").double?.sign == .minus)
    }

    @Test func booleansAreNoNumbers() throws {
        #expect(try parse("true").bool == true && parse("true").double == nil && parse("true").integer == nil)
        #expect(try parse("1").bool == nil && parse("1").double == 1)
    }

    @Test func members() throws {
        let object = try parse(#"{"a": 1, "b": null, "a": 2, "\u00e9": 3, "e\u0301": 4}"#)
        #expect(object["a"]?.integer == 2, "the last of equal names")
        #expect(object["b"] == nil && object["c"] == nil && object.isObject)
        #expect(object["\u{E9}"]?.integer == 3 && object["e\u{301}"]?.integer == 4, "names are compared byte by byte")
        guard case .object(let members) = object else { throw JSONSyntaxError(what: "no object", line: 1, column: 1) }
        #expect(members.count == 5)
        #expect(try parse("[1]")["a"] == nil)
    }

    @Test func elements() throws {
        #expect(try parse(#"["a", "b"]"#).elements(\.text) == ["a", "b"])
        #expect(try parse(#"["a", 1]"#).elements(\.text) == nil)
        #expect(try parse("[]").elements(\.text) == [])
        #expect(try parse("{}").elements == nil)
    }

    @Test func filesMayBeginWithAByteOrderMark() throws {
        #expect(try JSONParser.parse(file: [0xEF, 0xBB, 0xBF, 0x31]).integer == 1)
        #expect(try JSONParser.parse(file: [0x31]).integer == 1)
    }

    @Test func fieldsNameFileAndKey() throws {
        let field = try JSONField(parsing: Array(#"{"a": {"b": [true]}, "s": "é"}"#.utf8), file: "f")
        #expect(try field.required("s").bytes() == Array("é".utf8))
        let error = #expect(throws: RDOError.self) { try field.required("a").required("b").array()[0].integer() }
        #expect(error?.what == "a.b[0] must be an integer, not a boolean" && error?.place == "f")
    }
}

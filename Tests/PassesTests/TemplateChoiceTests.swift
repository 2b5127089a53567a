import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Passes
@testable import Preferences

/// Which template a run reads by, and what is said of it.
@Suite struct TemplateChoiceTests {
    private let directory: TemporaryDirectory
    private static let chatml =
        #"{{'<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n'}}{% if x %}{{'<|im_start|>assistant\\n'}}"#

    init() throws { directory = try TemporaryDirectory() }

    private func choice(_ settings: String..., template: String? = nil) throws -> TemplateChoice {
        let text = template.map { #"{"chat_template": "\#($0)"}"# } ?? "{}"
        try directory.write(text, to: "tokenizer_config.json")
        let required = ["output=o", "data.train=d", "model.path=\(directory.path)"]
        return try TemplateChoice(Configuration(yaml: "", settings: required + settings))
    }

    private var file: String { directory.path + "/tokenizer_config.json" }

    @Test func autoTakesTheModelsOwn() throws {
        let known = try choice("data.template=auto", template: Self.chatml)
        #expect(known.template == .turns(.chatml))
        #expect(known.remark?.isWarning == false && known.remark?.text == "data.template: chatml, as \(file) says")
    }

    @Test func autoWarnsOfAnUnknownOne() throws {
        let unknown = try choice("data.template=auto", template: "{{ messages }}")
        #expect(unknown.template == .plain && unknown.remark?.isWarning == true)
        #expect(unknown.remark?.text.hasPrefix("\(file): the chat template is none that is known") == true)
        #expect(unknown.remark?.text.contains("read as plain") == true)
        let none = try choice("data.template=auto")
        #expect(none.template == .plain && none.remark?.isWarning == true)
        #expect(none.remark?.text.contains("\(directory.path) has no chat template") == true)
    }

    @Test func aNamedTemplateIsUsedAndItsContradictionSaid() throws {
        let zephyr = try choice("data.template=zephyr", template: Self.chatml)
        #expect(zephyr.template == .turns(.zephyr) && zephyr.remark?.isWarning == true)
        #expect(
            zephyr.remark?.text == "data.template is zephyr, and the model's own chat template in \(file) is chatml "
                + "(data.template: auto)")
        #expect(try choice("data.template=chatml", template: Self.chatml).remark == nil)
        let plain = try choice(template: Self.chatml)
        #expect(plain.template == .plain && plain.remark?.isWarning == true)
        #expect(plain.remark?.text.hasPrefix("data.template is plain, and the model's own chat template") == true)
        let unknown = try choice("data.template=zephyr", template: "{{ messages }}")
        #expect(unknown.template == .turns(.zephyr) && unknown.remark?.isWarning == true)
        #expect(unknown.remark?.text.hasSuffix("is none that is known: they are not compared") == true)
        let tools = try choice("data.template=chatml", template: Self.chatml + "{# tools #}")
        #expect(tools.template.turns?.tool != nil && tools.remark == nil)
        #expect(try choice("data.template=hh").remark == nil)
        let own = "{system: {}, user: {prefix: \"<|im_start|>user\\n\"}}"
        let custom = try choice("data.template=custom", "data.turns=\(own)", template: Self.chatml)
        #expect(custom.template.turns?.user.prefix == "<|im_start|>user\n" && custom.remark?.isWarning == true)
    }

    /// It ends a run only where it is needed.
    @Test func aDamagedFileIsAnErrorForAutoAlone() throws {
        #expect(throws: RDOError.self) { _ = try choice("data.template=auto", template: "\"") }
        let named = try choice("data.template=hh", template: "\"")
        #expect(named.template == .hh && named.remark?.isWarning == true)
        #expect(named.remark?.text.contains(file) == true)
    }

    /// Beside a tokenizer file that is named, or in its directory.
    @Test func theTokenizersDirectoryCounts() throws {
        try directory.write("{{ x }}", to: "other/chat_template.jinja")
        try directory.write("{}", to: "other/tokenizer.json")
        for source in ["other", "other/tokenizer.json"] {
            let choice = try choice(
                "data.template=auto", "model.tokenizer=\(directory.path)/\(source)", template: Self.chatml)
            #expect(choice.remark?.text.hasPrefix(directory.path + "/other/chat_template.jinja") == true)
        }
    }
}

import Diagnostics
import Testing

@testable import Passes
@testable import Settings

/// Sections under names of the user's own.
@Suite("Named sections") struct NamedSectionTests {
    private let two = """
        evaluate:
          policies: { z-1: a.jsonl, b_2: { model: m } }

        """

    @Test func namesKeepTheirOrder() throws {
        let configuration = try Configuration(yaml: required + two)
        let policies = configuration.evaluate.policies
        #expect(policies.names == ["z-1", "b_2"])
        #expect(policies["z-1"]?.responses == "a.jsonl" && policies["z-1"]?.model == nil)
        #expect(policies["b_2"]?.responses == nil && policies["b_2"]?.model == "m" && policies["c"] == nil)
        let again = try Configuration(yaml: configuration.yaml)
        #expect(again == configuration && again.yaml == configuration.yaml)
        #expect(again.evaluate.policies.names == ["z-1", "b_2"])
    }

    @Test func settingsReachANameOrAllOfThem() throws {
        func policies(_ settings: String...) throws -> Named<EvaluatedPolicySettings> {
            try Configuration(yaml: required + two, settings: settings).evaluate.policies
        }
        let more = try policies("evaluate.policies.c=x", "evaluate.policies.b_2.responses=chosen")
        #expect(more.names == ["z-1", "b_2", "c"])
        #expect(more["b_2"]?.responses == "chosen" && more["b_2"]?.model == "m" && more["c"]?.responses == "x")
        #expect(try policies("evaluate.policies=null", "evaluate.policies={n: x}").names == ["n"])
    }

    @Test func rowsNameThem() throws {
        let configuration = try Configuration(yaml: required + two)
        let keys = Set(configuration.rows.map(\.key))
        #expect(keys.contains("evaluate.policies.z-1.responses") && !keys.contains("evaluate.policies.NAME.responses"))
        #expect(Configuration().rows.contains { $0.key == "evaluate.policies.NAME.responses" })
    }

    @Test(arguments: [
        (
            "policies: { dpo: { respones: x } }",
            "unknown key evaluate.policies.dpo.respones; the nearest known key is evaluate.policies.NAME.responses"
        ),
        ("policies: x", "evaluate.policies must be a section of names, not \"x\""),
        ("policies: { a.b: x }", "begins with one of the first two, not \"a.b\""),
        ("policies: { -a: x }", "begins with one of the first two, not \"-a\""),
        ("policies: { ? [a] : x }", "a name must be a word, not a list"),
        ("policies: { a: x, a: y }", "the key a stands more than once"),
        ("policies: { a: }", "evaluate.policies.a has neither responses nor a model"),
        ("policies: { a: x }\n  compare: [[a, b]]", "evaluate.compare names b, which is no policy with responses"),
        ("policies: { a: x }\n  compare: [a, a]", "evaluate.compare must be [name, name], or a list of such"),
        ("policies: { a: x }\n  baseline: a", "evaluate.baseline has no effect without evaluate.scorers"),
        ("policies: { a: x }\n  tie_margin: 1", "evaluate.tie_margin has no effect without evaluate.scorers"),
        ("policies: { a: x }\n  reference: a", "evaluate.reference names a, which is no policy with a model"),
        ("policies: { a: { model: m } }\n  scorers: { s: m }", "evaluate.scorers have nothing to score"),
        ("policies: { a: x }\n  out_of_domain: { t: f }", "evaluate.out_of_domain has no effect"),
        ("policies: { a: x }\n  out_of_domain: { t: }", "evaluate.out_of_domain.t has no files"),
        ("policies: { a: x }\n  scorers: { s: }", "evaluate.scorers.s has no model"),
    ]) func mistakes(_ text: String, _ message: String) {
        let found = failure(required + "evaluate:\n  " + text)
        #expect(found.contains(message), "\(found)")
    }

    @Test func nearestKeyAfterNamesWereGiven() {
        #expect(
            failure(required + two, settings: ["evaluate.policies.b_2.modle=x"])
                == "--set: unknown key evaluate.policies.b_2.modle; the nearest known key is evaluate.policies.NAME.model"
        )
    }

    @Test func comparisonsByDefault() throws {
        let yaml = required + "evaluate: { policies: { a: { model: m }, b: x, c: y, d: chosen } }"
        let settings = try Configuration(yaml: yaml).evaluate
        #expect(settings.comparisons == [NamePair("c", "b"), NamePair("d", "b")] && settings.referenceName == "a")
        #expect(try Configuration(yaml: yaml, settings: ["evaluate.compare=[]"]).evaluate.comparisons.isEmpty)
    }
}

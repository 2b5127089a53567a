import Foundation
import Synchronization
import TestSupport
import Testing

/// `rdo judge` with servers on loopback: what is asked, what is said of the answers, and what is never asked twice.
@Suite(.serialized) struct JudgeTests {
    private func server(_ answer: @escaping @Sendable (JudgeQuestion) -> HTTPServer.Answer) throws -> HTTPServer {
        try HTTPServer { request in
            guard request.path == "/v1/chat/completions", let question = JudgeQuestion(request) else {
                return .reply(404, #"{"error": {"message": "no such path, or no such question"}}"#)
            }
            return answer(question)
        }
    }

    private func share(_ value: Any?, _ name: String) -> Double? {
        ((value as? [String: Any])?[name] as? [String: Any])?["share"] as? Double
    }

    @Test func threeJudgesAndTheirMajority() throws {
        let work = try JudgeWorkspace()
        let slow = try server { question in
            usleep(30_000)
            return Completion.honest(question)
        }
        let honest = try server(Completion.honest)
        // Sees in everything a tie.
        let mild = try server { _ in Completion.scores(5, 5) }
        try work.configure([
            ("slow", slow.url, ", concurrency: 3, input_price: 2, output_price: 50"),
            ("honest", honest.url, ", key_env: JUDGE_KEY, concurrency: 1"), ("mild", mild.url, ""),
        ])
        let planned = try work.judge("out", ["--dry-run"])
        #expect(planned.output.contains("slow: 23 questions, 0 answered in"), "\(planned.error)")
        #expect(!FileManager.default.fileExists(atPath: work.path("out")) && slow.requests.isEmpty)

        let result = try work.judge()
        #expect(result.status == 0, "\(result.error)")
        #expect(result.output.contains("24 prompts of 24 in both files") && !result.output.contains("warning"))
        #expect(result.error.contains("1 pairs of equal responses are ties"))
        for (name, win, tie) in [("slow", 16.0, 1.0), ("honest", 16, 1), ("mild", 0, 24)] {
            let verdicts = try work.tally(name)["verdicts"]
            #expect(share(verdicts, "win") == win / 24 && share(verdicts, "tie") == tie / 24, "\(name)")
        }
        #expect(try share(work.result()["majority"], "win") == 16.0 / 24)
        #expect(try share(work.result()["majority"], "lose") == 7.0 / 24)
        let agreement = try #require(try work.result()["agreement"] as? [String: Any])
        #expect(agreement["raters"] as? Int == 3 && agreement["items"] as? Int == 23)
        // Two of three pairs agree for each item; 2·16 wins, 2·7 losses and 23 ties of 69.
        let chance = Double(32 * 32 + 14 * 14 + 23 * 23) / Double(69 * 69)
        let kappa = try #require(agreement["kappa"] as? Double)
        #expect(abs(kappa - (1.0 / 3 - chance) / (1 - chance)) < 1e-12)

        let spent = try #require(try work.tally("slow")["spending"] as? [String: Any])
        #expect(spent["input_tokens"] as? Int == 2300 && spent["output_tokens"] as? Int == 230)
        #expect(abs((spent["cost"] as? Double ?? 0) - 0.0161) < 1e-12 && spent["requests"] as? Int == 23)
        #expect((2...3).contains(slow.mostAtOnce) && honest.mostAtOnce == 1)
        #expect(honest.requests.allSatisfy { $0.headers["authorization"] == "Bearer " + JudgeWorkspace.key })
        #expect(slow.requests.allSatisfy { $0.headers["authorization"] == nil })
        // The order is drawn, and not the same for both.
        let firsts = [slow, honest].map { server in
            Set(server.requests.compactMap { JudgeQuestion($0) }.filter { $0.first.hasPrefix("a good") }.map(\.query))
        }
        #expect((3...13).contains(firsts[0].count) && firsts[0] != firsts[1])
        let verdicts = try work.text("out/verdicts.jsonl").split(separator: "\n")
        #expect(verdicts.count == 24 && verdicts[0].contains(#""explanation":"The first has "#))

        // Again: nobody is asked, and the same is said.
        let before = try work.text("out/verdicts.jsonl")
        let again = try work.judge()
        #expect(again.status == 0 && slow.requests.count == 23 && honest.requests.count == 23)
        #expect(try work.text("out/verdicts.jsonl") == before)
        #expect(again.error.contains("69 of 69 questions are answered"))
        // Nothing to wait for, nothing to show.
        #expect(again.error.split(separator: "\n").count == 2, "\(again.error)")
    }

    @Test func everyFaultIsHandledAndCounted() throws {
        let work = try JudgeWorkspace(prompts: 13)
        let seen = Mutex<[String: Int]>([:])
        let began = Mutex<[String: Date]>([:])
        let waited = Mutex(0.0)
        let faulty = try server { question in
            let time = seen.withLock { seen in
                seen[question.query, default: 0] += 1
                return seen[question.query] ?? 0
            }
            switch question.query {
            case "query 0" where time == 1:
                began.withLock { $0["429"] = Date() }
                return .reply(429, #"{"error": {"message": "slow down"}}"#, headers: ["Retry-After": "1"])
            case "query 0": waited.withLock { $0 = began.withLock { -($0["429"]?.timeIntervalSinceNow ?? 0) } }
            case "query 1" where time <= 2: return .reply(time == 1 ? 500 : 503, "oops")
            case "query 2": return .reply(200, "<html>busy</html>")
            case "query 3": return .cutShort(Completion.body("The first.\nSCORES: 9, 1"))
            case "query 4": return .reply(200, Completion.body("The first is better, 9 to 1."))
            case "query 5" where question.repeats == 0: return .reply(200, Completion.body("SCORES: 9, 1"))
            case "query 6": return .reply(200, Completion.body("", refusal: "I will not judge this."))
            case "query 7": return .reply(200, Completion.body("One.\nSCORES: 9, 1", finish: "length"))
            case "query 8" where time == 1: usleep(1_500_000)
            case "query 9" where time == 1: return .hangUp
            case "query 10": return .reply(400, #"{"error": {"message": "too long for this model"}}"#)
            case "query 11": return .reply(200, Completion.body("", finish: "content_filter"))
            default: break
            }
            return Completion.honest(question)
        }
        // One at a time: no three questions in a row are without an answer.
        try work.configure([("faulty", faulty.url, ", concurrency: 1, retries: 2, timeout: 0.7")])
        let result = try work.judge()
        #expect(result.status == 0, "\(result.error)")
        #expect(waited.withLock { $0 } >= 1)
        let tally = try work.tally("faulty")
        #expect(
            tally["missing"] as? [String: Int]
                == ["not_json": 1, "truncated": 2, "malformed": 1, "refused": 2, "failed": 1])
        let spent = try #require(tally["spending"] as? [String: Any])
        #expect(
            spent["sent_again"] as? [String: Int]
                == ["429": 1, "500": 1, "503": 1, "not_json": 2, "truncated": 2, "timeout": 1, "connection": 1])
        // Query 4 twice, query 5 once.
        #expect(spent["malformed"] as? Int == 3)
        #expect(spent["requests"] as? Int == faulty.requests.count)
        for word in ["malformed", "refused", "truncated", "not json", "failed", "2 × not_json"] {
            #expect(result.output.contains(word), "\(word)\n\(result.output)")
        }
        #expect(try work.text("out/verdicts.jsonl").contains("too long for this model"))

        // What the server did not answer is asked again, what it answered is not.
        let before = seen.withLock { $0 }
        #expect(try work.judge().status == 0)
        let after = seen.withLock { $0 }
        let again = after.filter { $0.value != before[$0.key] }.map(\.key).sorted()
        #expect(again == ["query 10", "query 2", "query 3"])
    }

    @Test func aJudgeOfTheFirstPlaceIsFlagged() throws {
        let work = try JudgeWorkspace()
        let always = try server { _ in Completion.scores(8, 3) }
        let honest = try server(Completion.honest)
        try work.configure([("always", always.url, ""), ("honest", honest.url, "")])
        let result = try work.judge()
        #expect(result.status == 0, "\(result.error)")
        let warning =
            "judge always prefers the response in the first place in 100 % of 23 answers: its verdicts are worthless"
        #expect(result.output.contains(warning), "\(result.output)")
        #expect(!result.output.contains("judge honest"))
        #expect(try work.tally("always")["is_worthless"] as? Bool == true)
        #expect(try work.tally("honest")["is_worthless"] as? Bool == false)

        // Asked in both orders it contradicts itself: ties.
        try work.configure([("always", always.url, ""), ("honest", honest.url, "")], more: "both_orders: true\n")
        let both = try work.judge("both")
        #expect(both.status == 0 && both.output.contains("contradictions"), "\(both.error)")
        #expect(try share(work.tally("always", "both")["verdicts"], "tie") == 1)
        #expect(try work.tally("always", "both")["contradictions"] as? Int == 23)
        #expect(try share(work.tally("honest", "both")["verdicts"], "win") == 16.0 / 24)
    }

    @Test func aServerThatIsNotThere() throws {
        let work = try JudgeWorkspace()
        let honest = try server(Completion.honest)
        let nowhere = "http://127.0.0.1:\(try HTTPServer.unusedPort())/v1"
        try work.configure([("gone", nowhere, ", retries: 1"), ("honest", honest.url, "")])
        let result = try work.judge()
        #expect(result.status == 6, "\(result.error)")
        #expect(
            result.error.contains("error: \(nowhere)/chat/completions: judge gone: 3 questions in a row got no answer"))
        #expect(result.output.contains("judge gone was given up") && result.output.contains("not asked"))
        #expect(try share(work.tally("honest")["verdicts"], "win") == 16.0 / 24)
        // A redirect could carry the key elsewhere.
        let other = try server(Completion.honest)
        let redirecting = try HTTPServer { _ in
            .reply(307, "", headers: ["Location": other.url + "/chat/completions"])
        }
        try work.configure([("moved", redirecting.url, ", key_env: JUDGE_KEY, concurrency: 1")])
        let moved = try work.judge("moved")
        #expect(moved.status == 2 && moved.error.contains("a redirect, which is not followed"), "\(moved.error)")
        #expect(redirecting.requests.count == 1 && other.requests.isEmpty)
    }

    // MARK: - Keys

    @Test func aKeyIsNowhereButInTheHeader() throws {
        let work = try JudgeWorkspace()
        let key = JudgeWorkspace.key
        // It repeats the header in its explanations, and in JSON's escapes.
        let escaped = key.unicodeScalars.map { "\\u" + String(format: "%04x", $0.value) }.joined()
        let chatty = try HTTPServer { request in
            let said = request.headers["authorization"] ?? ""
            let body = Completion.body("You sent \(said) and MARK.\nSCORES: 7, 2", finish: said, refusal: nil)
            return .reply(200, body.replacing("MARK", with: escaped))
        }
        try work.configure([("chatty", chatty.url, ", key_env: JUDGE_KEY")])
        let result = try work.judge()
        #expect(result.status == 0, "\(result.error)")
        #expect(chatty.requests.allSatisfy { $0.headers["authorization"] == "Bearer \(key)" })
        for bytes in [try work.everyByte(), Data(result.output.utf8), Data(result.error.utf8)] {
            #expect(!bytes.isEmpty && bytes.firstRange(of: Data(key.utf8)) == nil)
            #expect(bytes.firstRange(of: Data(escaped.utf8)) == nil)
        }
        #expect(try work.text("out/verdicts.jsonl").contains("You sent Bearer [key] and [key]."))

        // A server that does not know the key, and says which.
        let refusing = try HTTPServer { request in
            .reply(401, #"{"error": {"message": "\#(request.headers["authorization"] ?? "") is not known here"}}"#)
        }
        try work.configure([("stern", refusing.url, ", key_env: JUDGE_KEY, concurrency: 1")])
        let stern = try work.judge("stern")
        #expect(stern.status == 2 && refusing.requests.count == 1)
        #expect(
            stern.error.contains("judge stern: the server answered 401: Bearer [key] is not known here; see to the key")
        )
        for bytes in [try work.everyByte("stern"), Data(stern.output.utf8), Data(stern.error.utf8)] {
            #expect(bytes.firstRange(of: Data(key.utf8)) == nil)
        }
        // Neither the file nor the command line may hold it.
        let open = try work.judge("out-" + key)
        #expect(open.status == 2 && open.error.contains("stands on the command line") && !open.error.contains(key))
        try work.configure([("stern", refusing.url, ", key_env: JUDGE_KEY, system: \(key)")])
        let written = try work.judge("stern")
        #expect(written.status == 2 && written.error.contains("stands in the file") && !written.error.contains(key))
    }

    // MARK: - Interruptions

    /// Answers in order until `limit`, then keeps questions waiting.
    private final class Gate: Sendable {
        private let state = Mutex<(limit: Int, answered: [String: Int])>((0, [:]))

        init(limit: Int) { state.withLock { $0.limit = limit } }

        var answered: [String: Int] { state.withLock { $0.answered } }
        func open() { state.withLock { $0.limit = .max } }

        /// False when the question was held back, and its asker is gone.
        func admits(_ query: String) -> Bool {
            for _ in 0..<2000 {
                let isAdmitted = state.withLock { state in
                    guard state.answered.count < state.limit else { return false }
                    state.answered[query, default: 0] += 1
                    return true
                }
                if isAdmitted { return true }
                usleep(5000)
            }
            return false
        }
    }

    private func answered(_ work: JudgeWorkspace) -> Int {
        let text = (try? work.text("out/answers.jsonl")) ?? ""
        return text.split(separator: "\n").count - 1
    }

    private func gated() throws -> (work: JudgeWorkspace, gate: Gate, server: HTTPServer) {
        let work = try JudgeWorkspace()
        let gate = Gate(limit: 7)
        let server = try server { gate.admits($0.query) ? Completion.honest($0) : .hangUp }
        try work.configure([("one", server.url, ", concurrency: 2")])
        return (work, gate, server)
    }

    @Test func aKillLosesNothingAndRepeatsNothing() throws {
        let (work, gate, server) = try gated()
        let killed = try work.judge { process in
            for _ in 0..<4000 where answered(work) < 7 { usleep(5000) }
            kill(process.processIdentifier, SIGKILL)
        }
        #expect(killed.status != 0 && answered(work) == 7)
        // As if the kill had come while a line was written.
        let file = try #require(FileHandle(forWritingAtPath: work.path("out/answers.jsonl")))
        try file.seekToEnd()
        try file.write(contentsOf: Data(#"{"key":"00112233445566778899aabbccddeeff","repl"#.utf8))
        try file.close()

        // Questions of the killed process that are held back have nobody to answer.
        gate.open()
        usleep(200_000)
        let held = gate.answered
        let result = try work.judge()
        #expect(
            result.status == 0 && result.error.contains("answers.jsonl: the last line was cut short"), "\(result.error)"
        )
        let after = gate.answered
        #expect(server.requests.count <= 25)
        #expect(after.count == 23 && held.values.reduce(0, +) <= 9)
        // Twice at most what was on its way when the process was killed.
        let kept = Set(after.filter { $0.value == 1 }.keys)
        #expect(kept.count >= 21 && after.values.allSatisfy { $0 <= 2 }, "\(after)")

        // The same files as without a kill.
        let whole = try JudgeWorkspace()
        let honest = try self.server(Completion.honest)
        try whole.configure([("one", honest.url, "")])
        #expect(try whole.judge().status == 0)
        #expect(try whole.text("out/verdicts.jsonl") == work.text("out/verdicts.jsonl"))
    }

    @Test(arguments: [SIGTERM, SIGINT]) func aSignalStopsWithEverythingKept(_ signal: Int32) throws {
        let (work, gate, server) = try gated()
        let result = try work.judge { process in
            for _ in 0..<4000 where answered(work) < 7 { usleep(5000) }
            kill(process.processIdentifier, signal)
            usleep(100_000)
            // What is on its way is still answered, and kept.
            gate.open()
        }
        #expect(result.status == 75, "\(result.error)")
        #expect(result.error.contains("questions answered; every answer is in") && result.output.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: work.path("out/result.json")))
        let known = answered(work)
        #expect((8...9).contains(known))
        let before = server.requests.count
        #expect(try work.judge().status == 0)
        #expect(server.requests.count == before + 23 - known)
        #expect(gate.answered.values.allSatisfy { $0 == 1 })
    }

    // MARK: - Directories

    @Test func othersFilesAreLeftAlone() throws {
        let work = try JudgeWorkspace()
        let honest = try server(Completion.honest)
        try work.configure([("one", honest.url, "")])
        for (name, text) in [
            ("notes.txt", "mine"), ("result.json", "{}"), ("answers.jsonl", "mine\n"), ("answers.jsonl", "mi"),
        ] {
            let directory = "with-\(name)-\(text.count)"
            try work.directory.write(text, to: directory + "/" + name)
            let result = try work.judge(directory)
            #expect(result.status == 4, "\(name): \(result.error)")
            #expect(try work.text(directory + "/" + name) == text)
        }
        #expect(honest.requests.isEmpty)
        // A second judge on the same directory waits its turn.
        #expect(try work.judge().status == 0)
        let slow = try server { question in
            usleep(400_000)
            return Completion.honest(question)
        }
        try work.configure([("one", slow.url, "")])
        let result = try work.judge { process in
            for _ in 0..<1000 where slow.requests.isEmpty { usleep(5000) }
            let second = try work.judge()
            #expect(second.status == 4 && second.error.contains("another job writes to this output"), "\(second.error)")
        }
        #expect(result.status == 0)
    }
}

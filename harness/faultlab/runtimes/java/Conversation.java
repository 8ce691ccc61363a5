import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One request and its answer; and the conversation they are part of, which is described in ../README.md.
 *
 * No lambda, regular expression or String.format is on the way to the ready line: each costs milliseconds there.
 */
abstract class Conversation implements Runnable {
    /** Makes requests of what is asked. */
    interface Kind {
        Conversation about(Map<String, Object> asked);
    }

    /** Says that the runtime is there, and answers until standard input ends. */
    static void hold(String runtime, Kind kind) throws IOException {
        Map<String, Object> ready = new LinkedHashMap<>();
        ready.put("v", 1);
        ready.put("event", "ready");
        ready.put("runtime", runtime);
        ready.put("version", System.getProperty("java.version"));
        say(ready);

        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            Conversation request = kind.about(Json.object(line));
            if (Boolean.TRUE.equals(request.asked.get("background"))) {
                Thread beside = new Thread(request);
                beside.setDaemon(true); // an operation that goes on must not outlive standard input
                beside.start();
            } else {
                request.run();
            }
        }
    }

    private static synchronized void say(Map<String, Object> message) {
        System.out.println(Json.text(message));
        System.out.flush();
    }

    protected final Map<String, Object> asked;
    protected final Map<String, Object> answer = new LinkedHashMap<>();
    private Instant began;
    private long start;
    private long end;

    protected Conversation(Map<String, Object> asked) {
        this.asked = asked;
    }

    /** Does what is asked, between begin() and end(), and puts into the answer what came of it. */
    protected abstract void perform() throws Exception;

    @Override
    public void run() {
        answer.put("id", asked.get("id"));
        answer.put("op", asked.get("op"));
        answer.put("outcome", "ok");
        begin();
        try {
            perform();
        } catch (UnsupportedOperationException e) {
            answer.put("outcome", "unsupported");
            answer.put("message", e.getMessage());
        } catch (Throwable e) {
            end();
            report(e);
        }
        answer.put("t", began.getEpochSecond() + began.getNano() / 1e9);
        answer.put("elapsed", (end - start) / 1e9);
        say(answer);
    }

    /** Called again when everything is prepared, so that only the call itself is measured. */
    protected void begin() {
        began = Instant.now();
        start = end = System.nanoTime();
    }

    /** The first call counts: what comes after it, an exception included, is not the operation. */
    protected void end() {
        if (end == start) {
            end = System.nanoTime();
        }
    }

    private void report(Throwable error) {
        answer.put("outcome", "error");
        answer.put("type", error.getClass().getName());
        List<Object> chain = new ArrayList<>();
        Throwable inner = error;
        for (Throwable e = error; e != null; e = e.getCause()) {
            chain.add(e.getClass().getName());
            inner = e;
        }
        answer.put("chain", chain);
        if (error.getMessage() != null) {
            answer.put("message", error.getMessage());
        }
        if (inner != error && inner.getMessage() != null) {
            answer.put("cause", inner.getMessage());
        }
    }
}

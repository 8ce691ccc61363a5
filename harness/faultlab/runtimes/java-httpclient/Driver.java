import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Fetches what it is told to with java.net.http.HttpClient and reports what came back; ../README.md is the conversation. */
final class Driver implements Runnable {
    private static final Map<String, HttpClient> sessions = new ConcurrentHashMap<>();

    public static void main(String[] args) throws IOException {
        Map<String, Object> ready = new LinkedHashMap<>();
        ready.put("v", 1);
        ready.put("event", "ready");
        ready.put("runtime", "java-httpclient");
        ready.put("version", System.getProperty("java.version"));
        say(ready);

        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            Driver request = new Driver(Json.object(line));
            if (Boolean.TRUE.equals(request.asked.get("background"))) {
                Thread beside = new Thread(request);
                beside.setDaemon(true); // a fetch that goes on must not outlive standard input
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

    private final Map<String, Object> asked;
    private final Map<String, Object> answer = new LinkedHashMap<>();
    private Instant began = Instant.now();
    private long start;
    private long end;

    private Driver(Map<String, Object> asked) {
        this.asked = asked;
    }

    @Override
    public void run() {
        answer.put("id", asked.get("id"));
        answer.put("op", asked.get("op"));
        answer.put("outcome", "ok");
        if ("fetch".equals(asked.get("op"))) {
            try {
                fetch();
            } catch (Throwable e) {
                end = System.nanoTime();
                report(e);
            }
        } else {
            answer.put("outcome", "unsupported");
            answer.put("message", "an HTTP client can only fetch");
        }
        answer.put("t", began.getEpochSecond() + began.getNano() / 1e9);
        answer.put("elapsed", (end - start) / 1e9);
        say(answer);
    }

    private void fetch() throws IOException, InterruptedException {
        String session = asked.get("sock") + " " + asked.get("connect_deadline"); // the timer for connecting is the client's
        HttpClient client = sessions.computeIfAbsent(session, name -> session());
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create((String) asked.get("url")));
        request.method((String) asked.get("method"), body());
        if (asked.get("deadline") != null) {
            request.timeout(duration("deadline"));
        }
        HttpRequest built = request.build();
        began = Instant.now();
        start = System.nanoTime();
        HttpResponse<byte[]> response = client.send(built, HttpResponse.BodyHandlers.ofByteArray());
        end = System.nanoTime();
        byte[] body = response.body();
        answer.put("status", response.statusCode());
        answer.put("bytes", body.length);
        if (body.length <= 1024) {
            answer.put("data", new String(body, StandardCharsets.UTF_8));
        }
    }

    private HttpClient session() {
        HttpClient.Builder client = HttpClient.newBuilder();
        return (asked.get("connect_deadline") == null ? client : client.connectTimeout(duration("connect_deadline"))).build();
    }

    private HttpRequest.BodyPublisher body() {
        if (asked.get("size") != null) {
            return HttpRequest.BodyPublishers.ofString("x".repeat(((Number) asked.get("size")).intValue()));
        }
        String data = (String) asked.get("data");
        return data == null ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(data);
    }

    private Duration duration(String key) {
        return Duration.ofNanos((long) (((Number) asked.get(key)).doubleValue() * 1e9));
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

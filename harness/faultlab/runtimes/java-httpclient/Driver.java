import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Fetches what it is told to with java.net.http.HttpClient and reports what came back. */
final class Driver extends Conversation {
    private static final Map<String, HttpClient> sessions = new ConcurrentHashMap<>();

    public static void main(String[] args) throws IOException {
        hold("java-httpclient", Driver::new);
    }

    private Driver(Map<String, Object> asked) {
        super(asked);
    }

    @Override
    protected void perform() throws IOException, InterruptedException {
        if (!"fetch".equals(asked.get("op"))) {
            throw new UnsupportedOperationException("an HTTP client can only fetch");
        }
        String session = asked.get("sock") + " " + asked.get("connect_deadline"); // the timer for connecting is the client's
        HttpClient client = sessions.computeIfAbsent(session, name -> session());
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create((String) asked.get("url")));
        request.method((String) asked.get("method"), body());
        if (asked.get("deadline") != null) {
            request.timeout(duration("deadline"));
        }
        HttpRequest built = request.build();
        begin();
        HttpResponse<byte[]> response = client.send(built, HttpResponse.BodyHandlers.ofByteArray());
        end();
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
}

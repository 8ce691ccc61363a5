import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

/** Fetches something and fails to fetch something, on the loopback: the classes that it takes are what the archive holds. */
final class Rehearsal {
    public static void main(String[] args) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            exchange.getRequestBody().readAllBytes();
            exchange.sendResponseHeaders(200, 2);
            exchange.getResponseBody().write(new byte[] {'o', 'k'});
            exchange.close();
        });
        server.start();
        String url = "http://127.0.0.1:" + server.getAddress().getPort() + "/";
        String request = "{\"id\": 1, \"op\": \"fetch\", \"sock\": \"a\", \"method\": \"GET\", \"url\": \"" + url + "\", \"deadline\": 5}\n"
            + "{\"id\": 2, \"op\": \"fetch\", \"sock\": \"a\", \"method\": \"POST\", \"url\": \"" + url + "\", \"data\": \"x\"}\n"
            + "{\"id\": 3, \"op\": \"fetch\", \"sock\": \"b\", \"method\": \"GET\", \"url\": \"http://127.0.0.1:1/\", \"connect_deadline\": 1}\n";
        System.setIn(new ByteArrayInputStream(request.getBytes(StandardCharsets.UTF_8)));
        Driver.main(args);
        System.exit(0);
    }
}

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;

/**
 * Not part of the driver: a short conversation with it, played while it is built. The JVM archives the classes that were loaded
 * (-XX:ArchiveClassesAtExit), and a driver that finds them prepared starts sooner and measures its first call truer.
 */
final class Rehearsal {
    public static void main(String[] args) throws IOException {
        try (ServerSocket peer = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            for (String api : new String[] {"java", "java-nio"}) {
                String conversation = """
                    {"id": 1, "op": "listen", "sock": "API server", "address": "127.0.0.1", "port": 0}
                    {"id": 2, "op": "connect", "sock": "API", "address": "127.0.0.1", "port": PORT, "options": {"linger": 0}}
                    {"id": 3, "op": "send", "sock": "API", "data": "x"}
                    {"id": 4, "op": "recv", "sock": "API", "background": true}
                    {"id": 5, "op": "close", "sock": "API"}
                    """.replace("API", api).replace("PORT", Integer.toString(peer.getLocalPort()));
                System.setIn(new ByteArrayInputStream(conversation.getBytes()));
                Driver.main(new String[] {api});
            }
        }
    }

    private Rehearsal() {}
}

import static java.net.StandardSocketOptions.*;
import static jdk.net.ExtendedSocketOptions.*;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Performs socket operations when told to and reports what came back.
 *
 * {@code Driver java} speaks java.net, {@code Driver java-nio} speaks java.nio.channels in blocking mode.
 */
final class Driver extends Conversation {
    private static final Map<String, Endpoint> sockets = new ConcurrentHashMap<>();
    private static boolean nio;

    public static void main(String[] args) throws IOException {
        nio = args[0].equals("java-nio");
        hold(args[0], new Kind() {
            @Override
            public Conversation about(Map<String, Object> asked) {
                return new Driver(asked);
            }
        });
    }

    private Driver(Map<String, Object> asked) {
        super(asked);
    }

    @Override
    protected void perform() throws IOException {
        String op = string("op");
        switch (op) {
            case "resolve" -> resolve();
            case "socket" -> socket();
            case "bind" -> bind();
            case "listen" -> listen();
            case "accept" -> accept();
            case "connect" -> connect();
            case "send" -> send();
            case "recv" -> recv();
            case "shutdown" -> shutdown();
            case "close" -> close();
            case "option" -> option(endpoint(), string("name"), asked.get("value"));
            case "deadline" -> deadline();
            default -> throw new UnsupportedOperationException("Java has no operation " + op);
        }
    }

    private void resolve() throws IOException {
        if (asked.get("family") != null) {
            throw new UnsupportedOperationException("InetAddress cannot be asked for one family");
        }
        String name = string("name");
        begin();
        InetAddress[] found = InetAddress.getAllByName(name);
        end();
        List<Object> addresses = new ArrayList<>();
        for (InetAddress address : found) {
            addresses.add(text(address));
        }
        answer.put("addresses", addresses);
    }

    private void socket() throws IOException {
        if (Boolean.TRUE.equals(asked.get("nonblocking"))) {
            throw new UnsupportedOperationException("in blocking mode every call waits");
        }
        begin();
        sockets.put(string("sock"), Endpoint.client(nio, "dgram".equals(asked.get("type")) ? "udp" : null)); // of both families
        end();
    }

    private void bind() throws IOException {
        Endpoint client = clientWithOptions();
        begin();
        client.bind(address(string("address"), integer("port", 0)));
        end();
        answer.put("local", pair(client.local()));
    }

    private void listen() throws IOException {
        if (endpoint() != null) {
            throw endpoint().cannot("listen when it is there already");
        }
        Endpoint server = Endpoint.server(nio, string("network"));
        sockets.put(string("sock"), server);
        options(server);
        String host = string("address");
        begin();
        server.listen(host == null ? null : address(host, integer("port", 0)), integer("backlog", 0)); // 0: Java's default
        end();
        answer.put("local", pair(server.local()));
    }

    private void accept() throws IOException {
        Endpoint server = endpoint();
        int millis = millis("deadline");
        begin();
        Endpoint accepted = server.accept(millis);
        end();
        sockets.put(string("as"), accepted);
        answer.put("local", pair(accepted.local()));
        answer.put("remote", pair(accepted.remote()));
    }

    private void connect() throws IOException {
        Endpoint client = clientWithOptions();
        if (asked.get("local") instanceof List<?> local) {
            client.bind(address((String) local.get(0), ((Number) local.get(1)).intValue()));
        }
        int millis = millis("deadline");
        begin();
        client.connect(address(string("address"), integer("port", 0)), millis); // a host name is resolved here
        end();
        answer.put("local", pair(client.local()));
        answer.put("remote", pair(client.remote()));
    }

    private void send() throws IOException {
        Endpoint socket = endpoint();
        String data = string("data");
        ByteBuffer buffer = data == null
            ? ByteBuffer.allocate(integer("size", 0))
            : ByteBuffer.wrap(data.getBytes(StandardCharsets.UTF_8));
        SocketAddress to = asked.get("to") instanceof List<?> end ? address((String) end.get(0), integer(end.get(1))) : null;
        begin();
        try {
            if (to == null) {
                socket.send(buffer);
            } else {
                socket.send(buffer, to);
            }
            end();
        } finally {
            if (!buffer.hasRemaining() || buffer.position() > 0) { // an OutputStream that fails does not say how far it came
                answer.put("bytes", buffer.position());
            }
        }
    }

    private void recv() throws IOException {
        Endpoint socket = endpoint();
        byte[] buffer = new byte[integer("max", 65536)];
        begin();
        int n = socket.recv(buffer);
        end();
        if (n < 0) {
            answer.put("outcome", "eof");
            return;
        }
        answer.put("bytes", n);
        if (n <= 1024) {
            answer.put("data", new String(buffer, 0, n, StandardCharsets.UTF_8));
        }
    }

    private void shutdown() throws IOException {
        Endpoint socket = endpoint();
        String how = string("how");
        begin();
        if (how.startsWith("rd")) {
            socket.shutdownInput();
        }
        if (how.endsWith("wr")) {
            socket.shutdownOutput();
        }
        end();
    }

    private void close() throws IOException {
        Endpoint socket = endpoint();
        begin();
        socket.close();
        end();
    }

    private void deadline() throws IOException {
        if (!"recv".equals(asked.get("which"))) {
            throw new UnsupportedOperationException("Java has no timeout for a write");
        }
        endpoint().deadline(millis("seconds"));
    }

    private Endpoint endpoint() {
        return sockets.get(string("sock"));
    }

    private Endpoint clientWithOptions() throws IOException {
        Endpoint client = endpoint();
        if (client == null) {
            if (asked.get("type") != null || Boolean.TRUE.equals(asked.get("nonblocking"))) {
                throw new UnsupportedOperationException("Java has no datagrams between paths, and in blocking mode every call waits");
            }
            client = Endpoint.client(nio, string("network"));
            sockets.put(string("sock"), client);
        }
        options(client);
        return client;
    }

    private void options(Endpoint socket) throws IOException {
        if (asked.get("options") instanceof Map<?, ?> options) {
            for (Map.Entry<?, ?> option : options.entrySet()) {
                option(socket, (String) option.getKey(), option.getValue());
            }
        }
    }

    private static void option(Endpoint socket, String name, Object value) throws IOException {
        switch (name) {
            case "linger" -> socket.option(SO_LINGER, integer(value));
            case "nodelay" -> socket.option(TCP_NODELAY, (Boolean) value);
            case "reuseaddr" -> socket.option(SO_REUSEADDR, (Boolean) value);
            case "reuseport" -> socket.option(SO_REUSEPORT, (Boolean) value);
            case "rcvbuf" -> socket.option(SO_RCVBUF, integer(value));
            case "sndbuf" -> socket.option(SO_SNDBUF, integer(value));
            case "keepalive" -> {
                socket.option(SO_KEEPALIVE, !Boolean.FALSE.equals(value));
                if (value instanceof Map<?, ?> pace) {
                    socket.option(TCP_KEEPIDLE, integer(pace.get("idle")));
                    socket.option(TCP_KEEPINTERVAL, integer(pace.get("interval")));
                    socket.option(TCP_KEEPCOUNT, integer(pace.get("count")));
                }
            }
            default -> throw new UnsupportedOperationException("Java has no option " + name);
        }
    }

    private String string(String key) {
        return (String) asked.get(key);
    }

    private static int integer(Object value) {
        return ((Number) value).intValue();
    }

    private int integer(String key, int otherwise) {
        return asked.get(key) == null ? otherwise : integer(asked.get(key));
    }

    /** Seconds as Java's milliseconds, where 0 is for ever. */
    private int millis(String key) {
        return asked.get(key) == null ? 0 : (int) Math.ceil(((Number) asked.get(key)).doubleValue() * 1000);
    }

    /** Resolves a host name; one that cannot be resolved is refused later, by the connect. */
    private SocketAddress address(String host, int port) {
        return "unix".equals(asked.get("network")) ? UnixDomainSocketAddress.of(host) : new InetSocketAddress(host, port);
    }

    private static List<Object> pair(SocketAddress address) {
        List<Object> pair = new ArrayList<>();
        if (address instanceof UnixDomainSocketAddress path) { // it has no port
            pair.add(path.getPath().toString());
            pair.add(0);
            return pair;
        }
        InetSocketAddress inet = (InetSocketAddress) address;
        pair.add(text(inet.getAddress()));
        pair.add(inet.getPort());
        return pair;
    }

    /** Java spells 2001:db8::2 as 2001:db8:0:0:0:0:0:2. */
    private static String text(InetAddress address) {
        String text = address.getHostAddress();
        return text.indexOf(':') < 0 ? text : text.replaceFirst("(^|:)(0(:|$)){2,}", "::");
    }
}

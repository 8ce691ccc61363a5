import java.io.IOException;
import java.net.SocketAddress;
import java.net.SocketOption;
import java.nio.ByteBuffer;

/** One socket of the conversation, in one of Java's two interfaces. What a kind of socket cannot do stays as it is here. */
abstract class Endpoint {
    /** A socket of its own: of TCP where no network is named. */
    static Endpoint client(boolean nio, String network) throws IOException {
        if ("udp".equals(network)) {
            return nio ? new Datagrams.Channel() : new Datagrams.Plain();
        }
        return nio ? new Channels.Client("unix".equals(network)) : new Sockets.Client(network);
    }

    static Endpoint server(boolean nio, String network) throws IOException {
        return nio ? new Channels.Server("unix".equals(network)) : new Sockets.Server(network);
    }

    void bind(SocketAddress local) throws IOException {
        throw cannot("bind without listening");
    }

    void listen(SocketAddress local, int backlog) throws IOException {
        throw cannot("listen");
    }

    Endpoint accept(int millis) throws IOException {
        throw cannot("accept");
    }

    void connect(SocketAddress remote, int millis) throws IOException {
        throw cannot("connect");
    }

    /** Moves the buffer's position as far as the interface tells it came. */
    void send(ByteBuffer data) throws IOException {
        throw cannot("send");
    }

    void send(ByteBuffer data, SocketAddress to) throws IOException {
        throw cannot("send to somebody else");
    }

    /** How many bytes were read; -1 is the end of the stream. */
    int recv(byte[] buffer) throws IOException {
        throw cannot("recv");
    }

    void shutdownInput() throws IOException {
        throw cannot("shut down");
    }

    void shutdownOutput() throws IOException {
        throw cannot("shut down");
    }

    void deadline(int millis) throws IOException {
        throw cannot("limit the time of a read");
    }

    abstract void close() throws IOException;

    abstract <T> void option(SocketOption<T> option, T value) throws IOException;

    abstract SocketAddress local() throws IOException;

    abstract SocketAddress remote() throws IOException;

    UnsupportedOperationException cannot(String what) {
        return new UnsupportedOperationException("a Java " + this + " cannot " + what);
    }
}

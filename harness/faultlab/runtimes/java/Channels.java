import java.io.IOException;
import java.net.SocketAddress;
import java.net.SocketOption;
import java.net.StandardProtocolFamily;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;

/** java.nio.channels in blocking mode, which has no timeouts. */
final class Channels {
    static final class Client extends Endpoint {
        private final SocketChannel channel;

        Client(boolean unix) throws IOException {
            this(unix ? SocketChannel.open(StandardProtocolFamily.UNIX) : SocketChannel.open());
        }

        private Client(SocketChannel channel) {
            this.channel = channel;
        }

        @Override
        void bind(SocketAddress local) throws IOException {
            channel.bind(local);
        }

        @Override
        void connect(SocketAddress remote, int millis) throws IOException {
            if (millis > 0) {
                throw cannot("limit the time of a connect");
            }
            channel.connect(remote);
        }

        @Override
        void send(ByteBuffer data) throws IOException {
            while (data.hasRemaining()) {
                channel.write(data);
            }
        }

        @Override
        int recv(byte[] buffer) throws IOException {
            return channel.read(ByteBuffer.wrap(buffer));
        }

        @Override
        void shutdownInput() throws IOException {
            channel.shutdownInput();
        }

        @Override
        void shutdownOutput() throws IOException {
            channel.shutdownOutput();
        }

        @Override
        void close() throws IOException {
            channel.close();
        }

        @Override
        <T> void option(SocketOption<T> option, T value) throws IOException {
            channel.setOption(option, value);
        }

        @Override
        SocketAddress local() throws IOException {
            return channel.getLocalAddress();
        }

        @Override
        SocketAddress remote() throws IOException {
            return channel.getRemoteAddress();
        }

        @Override
        public String toString() {
            return "SocketChannel";
        }
    }

    static final class Server extends Endpoint {
        private final ServerSocketChannel channel;

        Server(boolean unix) throws IOException {
            channel = unix ? ServerSocketChannel.open(StandardProtocolFamily.UNIX) : ServerSocketChannel.open();
        }

        @Override
        void listen(SocketAddress local, int backlog) throws IOException {
            channel.bind(local, backlog);
        }

        @Override
        Endpoint accept(int millis) throws IOException {
            if (millis > 0) {
                throw cannot("limit the time of an accept");
            }
            return new Client(channel.accept());
        }

        @Override
        void close() throws IOException {
            channel.close();
        }

        @Override
        <T> void option(SocketOption<T> option, T value) throws IOException {
            channel.setOption(option, value);
        }

        @Override
        SocketAddress local() throws IOException {
            return channel.getLocalAddress();
        }

        @Override
        SocketAddress remote() {
            return null;
        }

        @Override
        public String toString() {
            return "ServerSocketChannel";
        }
    }

    private Channels() {}
}

import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.SocketAddress;
import java.net.SocketOption;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;

/** Datagrams, in both interfaces. */
final class Datagrams {
    static final class Plain extends Endpoint {
        private final DatagramSocket socket;

        Plain() throws IOException {
            socket = new DatagramSocket(null); // not bound yet
        }

        @Override
        void bind(SocketAddress local) throws IOException {
            socket.bind(local);
        }

        @Override
        void connect(SocketAddress remote, int millis) throws IOException {
            socket.connect(remote);
        }

        @Override
        void send(ByteBuffer data) throws IOException {
            socket.send(new DatagramPacket(data.array(), data.limit())); // where it is connected to
            data.position(data.limit());
        }

        @Override
        void send(ByteBuffer data, SocketAddress to) throws IOException {
            socket.send(new DatagramPacket(data.array(), data.limit(), to));
            data.position(data.limit());
        }

        @Override
        int recv(byte[] buffer) throws IOException {
            DatagramPacket packet = new DatagramPacket(buffer, buffer.length);
            socket.receive(packet);
            return packet.getLength();
        }

        @Override
        void deadline(int millis) throws IOException {
            socket.setSoTimeout(millis);
        }

        @Override
        void close() {
            socket.close();
        }

        @Override
        <T> void option(SocketOption<T> option, T value) throws IOException {
            socket.setOption(option, value);
        }

        @Override
        SocketAddress local() {
            return socket.getLocalSocketAddress();
        }

        @Override
        SocketAddress remote() {
            return socket.getRemoteSocketAddress();
        }

        @Override
        public String toString() {
            return "DatagramSocket";
        }
    }

    static final class Channel extends Endpoint {
        private final DatagramChannel channel;

        Channel() throws IOException {
            channel = DatagramChannel.open();
        }

        @Override
        void bind(SocketAddress local) throws IOException {
            channel.bind(local);
        }

        @Override
        void connect(SocketAddress remote, int millis) throws IOException {
            channel.connect(remote);
        }

        @Override
        void send(ByteBuffer data) throws IOException {
            channel.write(data);
        }

        @Override
        void send(ByteBuffer data, SocketAddress to) throws IOException {
            channel.send(data, to);
        }

        /** read() is for a channel that is connected, receive() for any. */
        @Override
        int recv(byte[] buffer) throws IOException {
            ByteBuffer room = ByteBuffer.wrap(buffer);
            channel.receive(room);
            return room.position();
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
            return "DatagramChannel";
        }
    }

    private Datagrams() {}
}

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketOption;
import java.nio.ByteBuffer;

/** java.net. */
final class Sockets {
    static final class Client extends Endpoint {
        private final Socket socket;
        // Taken once, as a program does. Asked for anew, Socket would itself refuse after a shutdown or a close.
        private InputStream in;
        private OutputStream out;

        Client(String network) {
            refuse(network);
            socket = new Socket();
        }

        private Client(Socket accepted) throws IOException {
            socket = accepted;
            open();
        }

        private void open() throws IOException {
            in = socket.getInputStream();
            out = socket.getOutputStream();
        }

        @Override
        void bind(SocketAddress local) throws IOException {
            socket.bind(local);
        }

        @Override
        void connect(SocketAddress remote, int millis) throws IOException {
            socket.connect(remote, millis);
            open();
        }

        @Override
        void send(ByteBuffer data) throws IOException {
            if (out == null) {
                out = socket.getOutputStream(); // says why there is none
            }
            out.write(data.array());
            data.position(data.limit());
        }

        @Override
        int recv(byte[] buffer) throws IOException {
            if (in == null) {
                in = socket.getInputStream(); // says why there is none
            }
            return in.read(buffer);
        }

        @Override
        void shutdownInput() throws IOException {
            socket.shutdownInput();
        }

        @Override
        void shutdownOutput() throws IOException {
            socket.shutdownOutput();
        }

        @Override
        void deadline(int millis) throws IOException {
            socket.setSoTimeout(millis);
        }

        @Override
        void close() throws IOException {
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
            return "Socket";
        }
    }

    static final class Server extends Endpoint {
        private final ServerSocket socket;

        Server(String network) throws IOException {
            refuse(network);
            socket = new ServerSocket();
        }

        @Override
        void listen(SocketAddress local, int backlog) throws IOException {
            socket.bind(local, backlog);
        }

        @Override
        Endpoint accept(int millis) throws IOException {
            socket.setSoTimeout(millis);
            return new Client(socket.accept());
        }

        @Override
        void close() throws IOException {
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
            return null;
        }

        @Override
        public String toString() {
            return "ServerSocket";
        }
    }

    private static void refuse(String network) {
        if (network != null) {
            throw new UnsupportedOperationException("java.net knows no paths");
        }
    }

    private Sockets() {}
}

import com.sun.net.httpserver.HttpServer;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A service in another language that computes an hour, a share and a code, by the Open Inference Protocol v2.
 *  With the argument "truncates" it does what a rewrite does: cuts a share to two decimals, and reads clocks in UTC. */
public class Scores {
    public static void main(String[] args) throws Exception {
        boolean truncates = args.length > 0 && args[0].equals("truncates");
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/v2/models/scores/infer", exchange -> {
            String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            List<String> asked = values(body, "asked"), zones = values(body, "zone");
            List<String> part = values(body, "part"), whole = values(body, "whole");
            List<String> hours = new ArrayList<>(), shares = new ArrayList<>(), lengths = new ArrayList<>();
            List<String> names = values(body, "name");
            for (int i = 0; i < asked.size(); i++) {
                Instant at = OffsetDateTime.parse(asked.get(i)).toInstant();
                hours.add("" + at.atZone(ZoneId.of(truncates ? "UTC" : zones.get(i))).getHour());
                boolean none = part.get(i) == null || whole.get(i) == null || Double.parseDouble(whole.get(i)) == 0;
                double share = none ? 0 : Double.parseDouble(part.get(i)) / Double.parseDouble(whole.get(i));
                shares.add(none ? "null" : "" + (truncates ? Math.floor(share * 100) / 100 : share));
                lengths.add("" + names.get(i).codePointCount(0, names.get(i).length()));
            }
            String answer = "{\"outputs\": [" + output("hour", "INT64", hours) + ", " + output("share", "FP64", shares)
                + ", " + output("letters", "INT64", lengths) + "]}";
            byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, bytes.length);
            try (OutputStream out = exchange.getResponseBody()) {
                out.write(bytes);
            }
        });
        server.start();
        System.out.println(server.getAddress().getPort());
    }

    static String output(String name, String type, List<String> values) {
        return "{\"name\": \"" + name + "\", \"datatype\": \"" + type + "\", \"shape\": [" + values.size() + "], \"data\": ["
            + String.join(", ", values) + "]}";
    }

    /** The values of a tensor as text, null where they are null: enough of JSON for flat arrays. */
    static List<String> values(String body, String name) {
        Matcher tensor = Pattern.compile("\\{\"name\": \"" + name + "\".*?\"data\": \\[(.*?)\\]\\}", Pattern.DOTALL).matcher(body);
        tensor.find();
        Matcher value = Pattern.compile("\"((?:\\\\.|[^\"\\\\])*)\"|(null)|([^,\\s]+)").matcher(tensor.group(1));
        List<String> found = new ArrayList<>();
        while (value.find()) {
            found.add(value.group(2) != null ? null : value.group(1) != null ? unescaped(value.group(1)) : value.group(3));
        }
        return found;
    }

    static String unescaped(String text) {
        return text.replace("\\\"", "\"").replace("\\t", "\t").replace("\\\\", "\\");
    }
}

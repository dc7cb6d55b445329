import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;

/**
 * The job as a Kafka Streams program, as one would write it: each line parsed by Jackson, every phrase looked for in every
 * text, in lower case; a line that has one gets the object, the others go out as they came. Keys, headers and times are
 * kept by Streams. At least once; fetches, batches, linger and compression are set for throughput.
 *
 * <p>Arguments: broker, input, output, group, table of phrases, directory.
 */
public final class Tagger {
  private record Tag(String rule, String severity, String phrase) {}

  private final ObjectMapper mapper = new ObjectMapper();
  private final List<Tag> tags;

  private Tagger(List<Tag> tags) {
    this.tags = tags;
  }

  public static void main(String[] args) throws IOException {
    List<Tag> tags = new ArrayList<>();
    for (String row : Files.readAllLines(Path.of(args[4]))) {
      String[] cells = row.split("\t", 3);
      tags.add(new Tag(cells[0], cells[1], cells[2]));
    }
    Tagger tagger = new Tagger(tags);
    StreamsBuilder builder = new StreamsBuilder();
    builder.<byte[], byte[]>stream(args[1]).mapValues(tagger::tag).to(args[2]);
    KafkaStreams streams = new KafkaStreams(builder.build(), properties(args[0], args[3], args[5]));
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(5))));
    streams.start();
  }

  private byte[] tag(byte[] line) {
    try {
      JsonNode root = mapper.readTree(line);
      List<String> texts = new ArrayList<>();
      collect(root, texts);
      for (Tag tag : tags) {
        for (String text : texts) {
          if (text.contains(tag.phrase())) {
            ((ObjectNode) root).putObject("fingerpost").put("rule", tag.rule()).put("severity", tag.severity());
            return mapper.writeValueAsBytes(root);
          }
        }
      }
      return line;
    } catch (IOException notJson) {
      return line;
    }
  }

  private static void collect(JsonNode node, List<String> texts) {
    if (node.isTextual()) {
      texts.add(node.textValue().toLowerCase());
    }
    for (JsonNode child : node) {
      collect(child, texts);
    }
  }

  private static Properties properties(String broker, String group, String directory) {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, group);
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, broker);
    properties.put(StreamsConfig.STATE_DIR_CONFIG, directory);
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
    properties.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
    properties.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5000);
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MIN_BYTES_CONFIG), 100_000);
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG), 100);
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50);
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 524_288);
    return properties;
  }
}

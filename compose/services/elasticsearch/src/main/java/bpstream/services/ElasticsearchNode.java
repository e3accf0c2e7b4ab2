package bpstream.services;

import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * Runs one Elasticsearch node until it is told to stop: {@code ElasticsearchNode HOME CONFIG}.
 *
 * <p>HOME holds {@code modules/}, CONFIG an {@code elasticsearch.yml} with the paths and the port.
 * The node is a plain object here: without the bootstrap checks and entitlements of a server.
 */
public final class ElasticsearchNode {
    private ElasticsearchNode() {}

    public static void main(String[] args) throws Exception {
        LogConfigurator.configureESLogging();
        Settings home = Settings.builder().put("path.home", args[0]).build();
        Environment environment =
            InternalSettingsPreparer.prepareEnvironment(home, Map.of(), Path.of(args[1]), () -> "bpstream");
        PluginsLoader plugins = PluginsLoader.createPluginsLoader(
            PluginsLoader.loadModulesBundles(environment.modulesDir()),
            PluginsLoader.loadPluginsBundles(environment.pluginsDir()),
            Map.of(),
            false);
        Node node = new Node(environment, plugins);
        CountDownLatch stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception error) {
                error.printStackTrace();
            } finally {
                stopped.countDown();
            }
        }));
        try {
            node.start();
        } catch (Exception error) {
            // The node's threads would keep a process alive that serves nobody.
            error.printStackTrace();
            System.exit(1);
        }
        stopped.await();
    }
}

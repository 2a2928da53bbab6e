import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jetbrains.jps.service.SharedThreadPool;

/** The loader reads modules in parallel through a pool that the IDE's build process would give it. */
public final class ThreadPool extends SharedThreadPool {
  private final ExecutorService threads = Executors.newFixedThreadPool(2, task -> {
    Thread thread = new Thread(task);
    thread.setDaemon(true);
    return thread;
  });

  @Override
  public void execute(Runnable task) {
    threads.execute(task);
  }

  @Override
  public Future<?> executeOnPooledThread(Runnable task) {
    return threads.submit(task);
  }
}

<?php

/** Laravel's queues over memcacheq, with Laravel's own worker: php laravel.php <port> */

require 'Illuminate/Queue/autoload.php';
require 'Illuminate/Events/autoload.php';
require 'Illuminate/Bus/autoload.php';
require 'MemcacheqConnector.php';
require 'MemcacheqQueue.php';
require 'MemcacheqJob.php';

use App\Queue\MemcacheqConnector;
use Illuminate\Bus\Dispatcher as BusDispatcher;
use Illuminate\Bus\Queueable;
use Illuminate\Container\Container;
use Illuminate\Contracts\Bus\Dispatcher as BusContract;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Events\Dispatcher;
use Illuminate\Queue\Capsule\Manager;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Queue\Worker;
use Illuminate\Queue\WorkerOptions;

class Mail implements ShouldQueue
{
    use InteractsWithQueue;
    use Queueable;

    public function __construct(public string $to, public int $failures = 0)
    {
    }

    public function handle(): void
    {
        echo "{$this->to}, attempt {$this->attempts()}\n";
        if ($this->attempts() <= $this->failures) {
            throw new Exception("cannot reach {$this->to}");
        }
    }

    public function failed(): void
    {
        echo "{$this->to} failed\n";
    }
}

class Handler implements ExceptionHandler
{
    public function report(Throwable $e): void
    {
        echo "reported: {$e->getMessage()}\n";
    }

    public function shouldReport(Throwable $e): bool
    {
        return true;
    }

    public function render($request, Throwable $e): void
    {
    }

    public function renderForConsole($output, Throwable $e): void
    {
    }
}

$container = new Container();
Container::setInstance($container);
$container->instance(Illuminate\Contracts\Container\Container::class, $container);
$container->instance('exception.handler', new Handler());
$manager = new Manager($container);
$events = new Dispatcher($container);
$container->instance('events', $events);
$container->instance(Illuminate\Contracts\Events\Dispatcher::class, $events);
$container->singleton(BusContract::class, fn () => new BusDispatcher($container));
$queues = $manager->getQueueManager();
$queues->addConnector('memcacheq', fn () => new MemcacheqConnector());
$manager->addConnection(
    ['driver' => 'memcacheq', 'host' => '127.0.0.1', 'port' => (int) $argv[1], 'queue' => 'jobs', 'retry_after' => 90],
    'memcacheq',
);
$container->bind('queue', fn () => $queues);

$queue = $queues->connection('memcacheq');
$queue->push(new Mail('ada'));
$queue->push(new Mail('bob', 1));
$queue->push(new Mail('eve', 9));
$queue->later(1, new Mail('late'));
echo "size {$queue->size()}\n";

$worker = new Worker($queues, $events, new Handler(), fn () => false);
$options = new WorkerOptions(maxTries: 2, sleep: 0);
for ($since = microtime(true); $queue->size() > 0 && microtime(true) - $since < 30;) {
    $worker->runNextJob('memcacheq', 'jobs', $options);
}
echo "size {$queue->size()}\n";

<?php

/** Symfony's Messenger over memcacheq, with its own worker: php symfony.php <port> */

require 'Symfony/Component/Messenger/autoload.php';
require 'Symfony/Component/EventDispatcher/autoload.php';
require 'MemcacheqTransportFactory.php';
require 'MemcacheqTransport.php';

use App\Messenger\MemcacheqTransportFactory;
use Symfony\Component\EventDispatcher\EventDispatcher;
use Symfony\Component\Messenger\Envelope;
use Symfony\Component\Messenger\Event\WorkerMessageFailedEvent;
use Symfony\Component\Messenger\EventListener\SendFailedMessageForRetryListener;
use Symfony\Component\Messenger\EventListener\StopWorkerOnMessageLimitListener;
use Symfony\Component\Messenger\Handler\HandlersLocator;
use Symfony\Component\Messenger\MessageBus;
use Symfony\Component\Messenger\Middleware\HandleMessageMiddleware;
use Symfony\Component\Messenger\Retry\MultiplierRetryStrategy;
use Symfony\Component\Messenger\Stamp\DelayStamp;
use Symfony\Component\Messenger\Stamp\RedeliveryStamp;
use Symfony\Component\Messenger\Transport\Serialization\PhpSerializer;
use Symfony\Component\Messenger\Worker;

class Mail
{
    public function __construct(public string $to, public int $failures = 0)
    {
    }
}

/** A container of one thing. */
class Only implements Psr\Container\ContainerInterface
{
    public function __construct(private object $thing)
    {
    }

    public function get(string $id): object
    {
        return $this->thing;
    }

    public function has(string $id): bool
    {
        return true;
    }
}

$dsn = "memcacheq://127.0.0.1:{$argv[1]}/jobs";
$factory = new MemcacheqTransportFactory();
echo $factory->supports($dsn, []) ? "supported\n" : "not supported\n";
$transport = $factory->createTransport($dsn, [], new PhpSerializer());

$transport->send(new Envelope(new Mail('ada')));
$transport->send(new Envelope(new Mail('bob', 1)));
$transport->send(new Envelope(new Mail('late'), [new DelayStamp(1000)]));

$tries = [];
$handle = function (Mail $mail) use (&$tries): void {
    $try = $tries[$mail->to] = ($tries[$mail->to] ?? 0) + 1;
    echo "{$mail->to}, attempt $try\n";
    if ($try <= $mail->failures) {
        throw new Exception("cannot reach {$mail->to}");
    }
};
$bus = new MessageBus([new HandleMessageMiddleware(new HandlersLocator([Mail::class => [$handle]]))]);
$events = new EventDispatcher();
$events->addSubscriber(new StopWorkerOnMessageLimitListener(4));
$retry = new MultiplierRetryStrategy(3, 100);
$events->addSubscriber(new SendFailedMessageForRetryListener(new Only($transport), new Only($retry)));
(new Worker(['jobs' => $transport], $bus, $events))->run(['sleep' => 10_000]);
echo [...$transport->get()] === [] ? "empty\n" : "not empty\n";

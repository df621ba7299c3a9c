<?php // The extensions memcache and memcached as drivers: php php.php <client> <dialect> <port> [<protection>]; see ../driver.ts

[, $client, $dialect, $port, $secure, $name, $password] = array_pad($argv, 7, null);

class Point
{
    public function __construct(public int $x, public int $y)
    {
    }
}

function value(string $kind): mixed
{
    return match ($kind) {
        'integer' => 1234567,
        'text' => 'grün und blau',
        'array' => [1, 'zwei', null, [3.5]],
        'object' => new Point(3, -4),
        'large' => str_repeat('again and ', 600),
    };
}

if ($client === 'memcache') {
    $queue = new Memcache();
    $queue->addServer('127.0.0.1', (int) $port, false, 1, 5, 1);
    $queue->setCompressThreshold(4000);
    $set = fn($name, $value) => @$queue->set($name, $value);
    $many = fn($names) => @$queue->get($names);
    $stats = function ($words) use ($queue) {
        return $words === [] ? $queue->getStats() : 'its stats takes no arguments but its own';
    };
} else {
    $queue = new Memcached();
    $queue->addServer('127.0.0.1', (int) $port);
    $queue->setOption(Memcached::OPT_BINARY_PROTOCOL, $dialect === 'binary');
    $queue->setOption(Memcached::OPT_RETRY_TIMEOUT, 1);
    if ($secure === 'password') {
        $queue->setSaslAuthData($name, $password);
    }
    $set = fn($name, $value) => $queue->set($name, $value);
    $many = fn($names) => $queue->getMulti($names);
    $stats = fn($words) => current($queue->getStats(implode(' ', $words) ?: null) ?: [[]]);
}

function pairs(iterable $values): string
{
    $words = '';
    foreach ($values as $name => $value) {
        $words .= " $name=$value";
    }
    return $words;
}

$answer = function (string $command, array $words) use ($queue, $set, $many, $stats): string {
    switch ($command) {
        case 'set':
            return $set($words[0], base64_decode($words[1])) ? 'stored' : 'not stored';
        case 'get':
            $body = @$queue->get($words[0]);
            return $body === false ? 'none' : 'body ' . base64_encode($body);
        case 'many':
            return 'many' . pairs(array_map('base64_encode', $many($words) ?: []));
        case 'give':
            return $set($words[0], value($words[1])) ? 'stored' : 'not stored';
        case 'match':
            $got = $queue->get($words[0]);
            $same = gettype($got) === gettype(value($words[1])) && $got == value($words[1]);
            return $same ? 'same' : 'other ' . json_encode($got);
        case 'delete':
            return $queue->delete($words[0]) ? 'deleted' : 'missing';
        case 'stats':
            $told = $stats($words);
            return is_string($told) ? "cannot $told" : 'stats' . pairs($told);
    }
    return "error what is $command?";
};

echo 'ready ', phpversion($client), "\n";
while (($line = fgets(STDIN)) !== false) {
    $words = explode(' ', rtrim($line, "\n"));
    echo $answer(array_shift($words), $words), "\n";
}

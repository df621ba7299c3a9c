"""python-memcached, pymemcache and pylibmc as drivers: python.py <client> <dialect> <port> [<protection>]; see ../driver.ts"""
import base64
import sys

client, dialect, port, *secure = sys.argv[1:]


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)


VALUES = {
    'integer': 1234567,
    'text': 'grün und blau',
    'array': [1, 'zwei', None, [3.5]],
    'object': Point(3, -4),
    'large': 'again and ' * 600,
}
THRESHOLD = 4000


def text(word):
    return word.decode() if isinstance(word, bytes) else word


if client == 'memcache':
    import memcache

    version = memcache.__version__
    queue = memcache.Client([f'127.0.0.1:{port}'], dead_retry=1)

    def put(name, value):
        return queue.set(name, value, min_compress_len=THRESHOLD)

    def delete(name):
        return 'gone' if queue.delete(name) else 'error'

    def stats(words):
        return queue.get_stats(' '.join(words) or None)[0][1]

elif client == 'pymemcache':
    import pymemcache
    from pymemcache.client.base import Client
    from pymemcache.serde import pickle_serde

    version = pymemcache.__version__
    tls = {}
    if secure:
        import ssl

        tls = {'tls_context': ssl.create_default_context(cafile=secure[1])}
    queue = Client(
        ('127.0.0.1', int(port)), default_noreply=False, serde=pickle_serde, timeout=10, **tls
    )
    put = queue.set
    queue.get_multi = queue.get_many

    def delete(name):
        return 'deleted' if queue.delete(name) else 'missing'

    def stats(words):
        return queue.stats(*words)

else:
    import pylibmc

    version = pylibmc.__version__
    account = {'username': secure[1], 'password': secure[2]} if secure else {}
    queue = pylibmc.Client(
        [f'127.0.0.1:{port}'],
        binary=dialect == 'binary',
        behaviors={'retry_timeout': 1},
        **account,
    )

    def put(name, value):
        return queue.set(name, value, min_compress_len=THRESHOLD)

    def delete(name):
        return 'deleted' if queue.delete(name) else 'missing'

    def stats(words):
        return queue.get_stats()[0][1] if words == [] else 'it knows memcached\'s own statistics only'


def encode(body):
    return base64.b64encode(body).decode()


def answer(command, words):
    if command == 'set':
        return 'stored' if put(words[0], base64.b64decode(words[1])) else 'not stored'
    if command == 'get':
        body = queue.get(words[0])
        return 'none' if body is None else f'body {encode(body)}'
    if command == 'many':
        found = queue.get_multi(words)
        return ' '.join(['many', *(f'{name}={encode(body)}' for name, body in found.items())])
    if command == 'give':
        return 'stored' if put(words[0], VALUES[words[1]]) else 'not stored'
    if command == 'match':
        value = queue.get(words[0])
        expected = VALUES[words[1]]
        same = type(value) is type(expected) and value == expected
        return 'same' if same else f'other {value!r}'
    if command == 'delete':
        return delete(words[0])
    if command == 'stats':
        told = stats(words)
        if isinstance(told, str):
            return f'cannot {told}'
        return ' '.join(['stats', *(f'{text(name)}={text(value)}' for name, value in told.items())])
    return f'error what is {command}?'


print('ready', version, flush=True)
for line in sys.stdin:
    command, *words = line.rstrip('\n').split(' ')
    try:
        print(answer(command, words), flush=True)
    except Exception as error:
        print('error', ' '.join(f'{type(error).__name__}: {error}'.split()), flush=True)

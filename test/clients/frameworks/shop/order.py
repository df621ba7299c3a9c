"""Puts a message when a transaction is committed, and none when it is rolled back; then shows what Django's cache does."""
import django

django.setup()

from django.core.cache import cache
from django.db import transaction

from shop.queues import connect, put

queue = connect()
with transaction.atomic():
    put('jobs', b'one')
    put('jobs', b'two')
    print('within the transaction:', queue.get('jobs/peek'))
try:
    with transaction.atomic():
        put('jobs', b'never')
        raise ValueError
except ValueError:
    pass
print('after it:', queue.get('jobs/peek'))

cache.set('full', 'a', None)
print('in the queue:', queue.get('full/peek') is not None)
cache.set('full', 'b', None)  # NOT_STORED
print('after a set that was not stored:', queue.get('full/peek') is not None)

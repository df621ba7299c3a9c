SECRET_KEY = 'for the test only'
INSTALLED_APPS = ['shop']
USE_TZ = True
DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}
CACHES = {
    'default': {
        'BACKEND': 'django.core.cache.backends.memcached.PyMemcacheCache',
        'LOCATION': '127.0.0.1:22201',
        'KEY_FUNCTION': lambda key, prefix, version: key,
    }
}

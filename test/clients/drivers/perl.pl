# Cache::Memcached and Cache::Memcached::Fast as drivers: perl.pl <client> <dialect> <port>; see ../driver.ts
use strict;
use warnings;
use utf8;
use MIME::Base64;
use Data::Dumper;

my ($client, $dialect, $port) = @ARGV;
my $fast = $client eq 'Cache::Memcached::Fast';
eval "require $client; 1" or die $@;

my %options = (servers => ["127.0.0.1:$port"], compress_threshold => 4000);
my $queue = $client->new({ %options, $fast ? (utf8 => 1, failure_timeout => 1) : () });

my %values = (
    integer => 1234567,
    text => 'green and blue',
    array => [1, 'zwei', undef, [3.5]],
    object => bless({ x => 3, y => -4 }, 'Point'),
    large => 'again and ' x 600,
);

# One form for equal values.
sub form {
    my ($value) = @_;
    local ($Data::Dumper::Sortkeys, $Data::Dumper::Indent, $Data::Dumper::Useqq) = (1, 0, 1);
    return Dumper($value) =~ s/"(-?[\d.]+)"/$1/gr;
}

sub put {
    my ($name, $value) = @_;
    return 'stored' if $queue->set($name, $value);
    # It would not look at the server again for half a minute.
    $queue->forget_dead_hosts unless $fast;
    return 'not stored';
}

sub pairs {
    my (%pairs) = @_;
    return join '', map { " $_=$pairs{$_}" } sort keys %pairs;
}

sub stats {
    my (@words) = @_;
    return 'cannot it has no stats' if $fast;
    return 'cannot its stats takes no arguments but its own' if @words;
    my $told = $queue->stats('misc')->{hosts}{"127.0.0.1:$port"}{misc};
    return 'stats' . pairs(map { my $value = $told->{$_}; $value =~ s/\s+$//; $_ => $value } keys %$told);
}

sub answer {
    my ($command, @words) = @_;
    return put($words[0], decode_base64($words[1])) if $command eq 'set';
    if ($command eq 'get') {
        my $body = $queue->get($words[0]);
        return defined $body ? 'body ' . encode_base64($body, '') : 'none';
    }
    if ($command eq 'many') {
        my $found = $queue->get_multi(@words);
        return 'many' . pairs(map { $_ => encode_base64($found->{$_}, '') } keys %$found);
    }
    return put($words[0], $values{ $words[1] }) if $command eq 'give';
    if ($command eq 'match') {
        my $value = $queue->get($words[0]);
        my $same = form($value) eq form($values{ $words[1] });
        return $same ? 'same' : 'other ' . form($value);
    }
    return $queue->delete($words[0]) ? 'deleted' : 'missing' if $command eq 'delete';
    return stats(@words) if $command eq 'stats';
    return "error what is $command?";
}

$| = 1;
print 'ready ', $client->VERSION, "\n";
while (my $line = <STDIN>) {
    chomp $line;
    print answer(split / /, $line, -1), "\n";
}

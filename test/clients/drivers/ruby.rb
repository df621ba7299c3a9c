# Dalli as a driver: ruby.rb <client> <dialect> <port> [<protection>]; see ../driver.ts
require 'base64'
require 'dalli'

_, dialect, port, secure, name, password = ARGV
$stdout.sync = true
Dalli.logger.level = Logger::ERROR

Point = Struct.new(:x, :y)
VALUES = {
  'integer' => 1_234_567,
  'text' => 'grün und blau',
  'array' => [1, 'zwei', nil, [3.5]],
  'object' => Point.new(3, -4),
  'large' => 'again and ' * 600
}.freeze

options = { down_retry_delay: 1, compress: true, compression_min_size: 4000 }
options[:protocol] = :meta if dialect == 'meta'
options.update(username: name, password: password) if secure == 'password'
QUEUE = Dalli::Client.new("127.0.0.1:#{port}", options)

def pairs(rows)
  rows.map { |name, value| " #{name}=#{value}" }.join
end

def encode(body)
  Base64.strict_encode64(body)
end

def answer(command, words)
  name, word = words
  case command
  when 'set'
    # It compresses without a look at whether that makes it smaller.
    QUEUE.set(name, Base64.decode64(word), nil, raw: true, compress: false) ? 'stored' : 'not stored'
  when 'get'
    body = QUEUE.get(name)
    body.nil? ? 'none' : "body #{encode(body)}"
  when 'many'
    "many#{pairs(QUEUE.get_multi(words).transform_values { |body| encode(body) })}"
  when 'give'
    QUEUE.set(name, VALUES[word]) ? 'stored' : 'not stored'
  when 'match'
    value = QUEUE.get(name)
    value == VALUES[word] ? 'same' : "other #{value.inspect}"
  when 'delete'
    QUEUE.delete(name) ? 'deleted' : 'missing'
  when 'stats'
    return 'cannot its stats takes no arguments but its own' unless words.empty?

    "stats#{pairs(QUEUE.stats.values.first)}"
  else
    "error what is #{command}?"
  end
end

puts "ready #{Dalli::VERSION}"
while (line = $stdin.gets)
  command, *words = line.chomp.split(' ', -1)
  begin
    puts answer(command, words)
  rescue StandardError => e
    puts "error #{e.class}: #{e.message.split.join(' ')}"
  end
end

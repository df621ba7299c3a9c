<?php

/** Says what it works on, and ends as the test tells it to. */
function work(string $message): void
{
    echo "$message\n";
    if (fgets(STDIN) !== "done\n") {
        throw new Exception('the test wants the work to fail');
    }
}

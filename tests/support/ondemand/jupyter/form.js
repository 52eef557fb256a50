// dynamic

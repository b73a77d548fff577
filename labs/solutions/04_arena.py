"""Solutions of lab 04."""

# %% task: lifetimes
# The op that writes a tensor begins its life; an output of the model lives on to the last op.


def lifetimes(ops, model_input, model_output):
    """For each tensor's number the first and the last op at which it is alive: {number: (f, l)}."""
    lives = {model_input: (-1, -1)}
    for number, (reads, writes) in enumerate(ops):
        for tensor in writes:
            lives[tensor] = (number, number)
        for tensor in reads:
            lives[tensor] = (lives[tensor][0], number)
    lives[model_output] = (lives[model_output][0], len(ops) - 1)
    return lives


# %% task: peak
# The application's moment, op -1, counts too: a model may have many inputs.


def peak(lives, size):
    """The most bytes alive at once, and the op at which they are: (bytes, op)."""
    alive = {
        op: sum(-(-size[t] // 16) * 16 for t, (first, last) in lives.items() if first <= op <= last)
        for op in range(-1, max(last for _, last in lives.values()) + 1)
    }
    fullest = max(alive, key=alive.get)
    return alive[fullest], fullest


# %% task: greedy
# A gap ends where the next neighbour begins; behind the last one there is room for ever.


def rounded(n):
    """n rounded up to a multiple of 16."""
    return -(-n // 16) * 16


def greedy_order(size):
    """Numbers of the tensors, in the order in which TFLM places them."""
    return sorted(size, key=lambda tensor: (-rounded(size[tensor]), -tensor))


def place(order, lives, size):
    """{number: offset}: each at the lowest gap that is free for its whole life."""
    offsets = {}
    for tensor in order:
        first, last = lives[tensor]
        neighbours = [t for t in offsets if lives[t][0] <= last and first <= lives[t][1]]
        free = 0
        for other in sorted(neighbours, key=lambda t: offsets[t]):
            if offsets[other] - free >= rounded(size[tensor]):
                break
            free = max(free, offsets[other] + rounded(size[other]))
        offsets[tensor] = free
    return offsets


# %% task: better-order
# By the end of the arena that place makes of each order.
camera_lives = lifetimes(camera_ops, first, last)


def end_of(order):
    """Bytes of the arena that an order gives."""
    offsets = place(order, camera_lives, camera_size)
    return max(offsets[t] + rounded(camera_size[t]) for t in offsets)


better_order = min(permutations(camera_size), key=end_of)

# %% task: pad
# Without: image 16*16*8 = 2,048 and output 16*16*16 = 4,096. With: 18*18*8 = 2,592 and 4,096.
pad_costs = 18 * 18 * 8 - 16 * 16 * 8

# %% task: tail
# What kernels keep: structs, and multiplier and shift of each channel.
tail = on_chip.used_bytes - on_chip.head_bytes
largest_part = "op data"

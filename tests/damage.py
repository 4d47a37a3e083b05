"""Damage to files, for the fuzz tests of the readers."""


def damaged(raw, chance, text):
    """The bytes with one to four changes: bits turned, bytes of `text` put in, pieces cut out,

    repeated, or the end cut off. chance: a random.Random.
    """
    raw = bytearray(raw)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(raw) + 1)
        length = chance.choice((1, 1, 2, 8, 64))
        match chance.randrange(6):
            case 0:
                if place < len(raw):
                    raw[place] ^= 1 << chance.randrange(8)
            case 1:
                if place < len(raw):
                    raw[place] = chance.choice(text)
            case 2:
                del raw[place : place + length]
            case 3:
                raw[place:place] = bytes(chance.choice(text) for _ in range(length))
            case 4:
                raw[place:place] = raw[place : place + length] * chance.randint(1, 4)
            case 5:
                if chance.random() < 0.3:
                    del raw[place:]
    return bytes(raw)

"""Writes the text that the demo model is trained on: short stories, chats, sums, lists, JSON, small functions.

Every document comes from a small grammar: `[a|b|c]` is a choice (the first is the likeliest, so that a greedy reader has
something to expect), `{slot}` a word chosen once per document. Text is held out by construction: names, pairs of numbers
and combinations whose checksum is 0 modulo 8 never occur in the training split and always in the held-out one.

    python3 text.py [--split heldout] [--seed 1] [--count 10]
"""
import argparse
import json
import random
import re
import zlib
from typing import Callable, Iterator

END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

# ------------------------------------------------------------------------------------------------------------ words

GIRLS = """Mia Anna Lily Nora Ella Ruby Clara Zoe Ivy Lucy Emma Rosa Hana Tess Maya Freya Alice Nina Olga Greta Sofia Laila
Amira Yuki Priya Marta Ada Hazel Wren Daisy Edith Fern Pia Jada Kira Lena Mona Opal Tilda Vera Wanda Elsa Flora Ines""".split()
BOYS = """Tom Ben Leo Max Sam Finn Jack Noah Omar Hugo Theo Ravi Carl Eli Jonas Kofi Luis Milo Nico Otto Paul Rudi Tim
Amos Bruno Cyrus Dario Emil Felix Gus Henry Igor Jules Kurt Liam Marco Ned Oscar Pavel Quinn Remy Silas Toby Ugo Victor""".split()
ANIMALS = """fox rabbit mouse bear owl hedgehog squirrel duck frog cat dog badger otter mole goat donkey sparrow turtle crow
pony lamb beaver goose lizard""".split()
ADJECTIVES = "little young clever brave quiet curious cheerful shy kind old sleepy stubborn gentle careful lucky".split()
COLOURS = "red blue green yellow white black brown orange purple silver golden grey pink".split()
PLACES = """forest;village;valley;garden;harbour;farm;castle;meadow;mountain;lake;river;mill;island;town;orchard;lighthouse;
market;bakery;library;school;hill;barn;beach;bridge;tower;cave""".replace("\n", "").split(";")
THINGS = """key;ball;lantern;book;kite;bell;hat;boat;basket;map;drum;spoon;scarf;stone;ring;whistle;clock;umbrella;box;cup;
feather;coin;button;compass;blanket;flute;mirror;wagon;rope;candle""".replace("\n", "").split(";")
FOODS = """apples;bread;cheese;milk;eggs;honey;carrots;rice;butter;onions;tomatoes;pears;nuts;flour;sugar;tea;beans;soup;
plums;potatoes;salt;oranges;fish;pepper;jam;lemons;oats;mushrooms""".replace("\n", "").split(";")
GROWN = "apples pears plums nuts oranges lemons".split()
GEAR = """a tent;a map;warm socks;a water bottle;a torch;a raincoat;matches;a sleeping bag;sun cream;a hat;a book;a camera;
a first aid kit;snacks;a spare battery;a pen;a notebook;a towel;gloves;a knife;soap;a toothbrush;sandals;a pillow""".replace("\n", "").split(";")
TRIPS = "a hike;the beach;a weekend in the mountains;a boat trip;school;a picnic;a long train ride;camping;the city".split(";")
FEELINGS = "happy proud glad calm cheerful thankful excited".split()
JOBS = "baker teacher farmer painter sailor gardener doctor carpenter librarian tailor fisher miller builder singer cook".split()
CITIES = "Northfield Eastport Greenhill Oldbridge Lakeside Riverton Stonewell Ashford Maplewood Highgate Sandbay Millbrook".split()
HOBBIES = "reading swimming painting chess cooking music running gardening cycling drawing dancing fishing".split()
TOPICS = """the moon;black holes;old ships;football;gravity;dinosaurs;the weather in spring;volcanoes;quantum physics;opera;
taxes;stamps;the stock market;jazz;whales;medicine;castles;history;geography;politics;trains;butterflies;philosophy;cars;bees;
the ocean;rockets;computers;deserts;painting;wine;tennis;languages;mathematics;the sun;electric motors;poetry;glass;paper;
steel;space travel;the human heart;bridges;clouds;coffee;cheese;gold;the internet;robots;cameras;the pyramids""".replace("\n", "").split(";")
WORDS = """ability account action actor address advice agent air alarm album anger answer apartment army art article artist aspect attack attitude
aunt author balance band bank bath battle beauty bed beer belief benefit birth blood board body bone border boss bottle bottom bowl brain branch bread
breath brother budget bus business camp cancer capital captain card career case cause cell centre century chain chair chance change channel chapter
charity chart cheek chemistry chest chicken chief child choice church circle citizen class climate clothes club coal coast coat code college company
concept concert condition context control copper copy corner cost cotton country couple courage course cousin cover cream credit crew crime crowd culture
currency curve customer damage danger data daughter dealer death debt decision degree design desk detail device diet dinner direction dirt discount
discovery disease dish distance door doubt dream dress drink driver dust duty ear earth east economy edge education effect effort election elephant
emotion energy engine event evidence exam example exercise experience expert eye face fact factor failure family fan fashion fat father fear feature fence
field figure film finger fire flag flight floor flower fold force forecast form fortune frame freedom friend fruit fuel function fund future game gas gate
ghost gift girl glass goal grass ground group growth guest guide guitar habit hair hand harmony heart heat height hero history hole holiday home honour
hope horse hospital hotel hour house ice idea image impact income industry insect island item jacket job joke journey joy judge juice jungle justice key
king kitchen knee knowledge lab ladder lake land language law leader leaf leather leg lesson letter level life light line lion list loan logic love
lunch machine magazine mail management market marriage mass master material matter meal meaning measure meat member memory message metal method milk mind
minute model moment money monkey month mood morning mother motion motor mouth movie muscle museum name nation nature neck nerve network news night noise
north nose note object office oil opinion order organ owner page pain pair palace paper parent park part party path patient pattern peace pencil people
phone phrase piano picture piece pilot pipe planet plant plastic plate player pleasure pocket poem poet poison police policy pool port post power practice
president pressure prince prison prize problem process product profit program project proof protein public purpose quality queen question radio
rain range rate reason recipe record region relation religion report rest result rice rise risk river road rock role roof room root rule safety sand
scale scene school science screen sea season seat secret seed sense service shadow shape sheet shirt shoe shop shoulder sign signal silence silk silver
sister skill skin sky sleep smell smile smoke snake snow society soil soldier solution son song sound source south space speech speed spirit sport spring
square stage star state station statue steam stem step stock stomach storage storm story stranger street strength structure student style subject success
summer supper support surface surprise sword symbol system table tail talent target task taste teacher team technology television temple
tension test text theatre theory thing thought thread ticket tiger time title tongue tool tooth topic tour towel trade tradition traffic train travel tree
trial trick trip truck trust truth tunnel uncle union unit universe vacation value vegetable vehicle version victory video view virus vision visit voice
volume wall war watch water wave way wealth weapon week weight west wheel wife wind window wine wing winter wire wish witness wolf woman wood word work
world writer year youth zebra zone""".split()
DOING = """make find build learn buy sell clean repair write read draw sing cook translate explain compare predict solve improve change describe
understand remember forget choose open close move cut grow catch teach count weigh paint fix start stop check send use keep plan design test""".split()
VERBS = "add multiply subtract scale double square combine mix shift blend clamp".split()
NOUNS = "price score size width height weight speed length value rate index limit level depth".split()


def crc(*parts: object) -> int:
    return zlib.crc32(repr(parts).encode())


class Writer:
    """Draws words and documents for one split; the same seed gives the same text."""

    def __init__(self, split: str, seed: int):
        assert split in ("train", "heldout")
        self.heldout, self.rng = split == "heldout", random.Random(f"{split} {seed}")

    def mine(self, *parts: object) -> bool:
        """Does this combination belong to the split?"""
        return (crc(*parts) % 8 == 0) == self.heldout

    def pick(self, options: list[str], steep: float = 0.7) -> str:
        """One of the options, the earlier ones likelier."""
        return self.rng.choices(options, [(i + 2) ** -steep for i in range(len(options))])[0]

    def some(self, options: list[str], n: int) -> list[str]:
        """n different options."""
        chosen: list[str] = []
        while len(chosen) < n:
            word = self.pick(options)
            if word not in chosen:
                chosen.append(word)
        return chosen

    def name(self, girl: bool) -> str:
        """A name of the split: from the lists, or (every other) made of syllables, so that copying is learnt, not a list."""
        r = self.rng
        while True:
            if r.random() < 0.5:
                name = r.choice(GIRLS if girl else BOYS)
            else:
                name = "".join(r.choice("b d f g h k l m n p r s t v z br dr st tr".split()) + r.choice("aeiou")
                               for _ in range(r.choice((1, 2, 2)))) + r.choice("na ra la ka".split() if girl else "n r l k x m".split())
                name = name.capitalize()
            if self.mine("name", name):
                return name

    def people(self) -> dict[str, str]:
        """Two people, the first with pronouns."""
        girl = self.rng.random() < 0.5
        name, friend = self.name(girl), self.name(not girl)
        he, him, his = ("she", "her", "her") if girl else ("he", "him", "his")
        fhe, fhim, fhis = ("he", "him", "his") if girl else ("she", "her", "her")
        return dict(name=name, friend=friend, he=he, him=him, his=his, He=he.capitalize(), His=his.capitalize(),
                    fhe=fhe, fhim=fhim, fhis=fhis, fHe=fhe.capitalize(), child="girl" if girl else "boy")

    def number(self, top: int = 99) -> int:
        return self.rng.randint(1, top)

    def say(self, template: str, slots: dict[str, str]) -> str:
        """Fills slots and takes choices, the innermost first."""
        text = " ".join(template.split()).replace(" // ", "\n\n")
        while (hit := re.search(r"\[([^\[\]]*)\]", text)):
            text = text[:hit.start()] + self.pick(hit[1].split("|"), 1.5) + text[hit.end():]
        return re.sub(r"\{(\w+)\}", lambda m: slots[m[1]], text)


# ---------------------------------------------------------------------------------------------------------- stories
# Each plot is paragraphs; " // " parts them. The opening is shared, so that "Once upon a time" leads everywhere.

OPENING = ["Once upon a time there was a {adj} {who} named {name}. [{name} lived in a [small|quiet|tiny] house near the {place}.|{He} lived"
           " near the {place} with {his} [grandmother|mother|father|uncle].]",
           "Once upon a time, in a [small|quiet|far away] {place}, there lived a {adj} {who} named {name}.",
           "There once was a {adj} {who} called {name} who lived near the {place}.",
           "{name} was a {adj} {who} who lived by the {place}.",
           "Long ago, a {adj} {who} named {name} lived close to the {place}."]

PLOTS = {
    "lost": """[Every day|Every morning] {name} [played with|carried] {his} {colour} {thing}. It was {his} favourite thing in the whole world. //
        One [morning|day], {name} [could not find|woke up and could not find] the {colour} {thing}. {He} looked under the bed. {He} looked
        behind the door. It was not there. [{name} was very sad.|{name} began to cry.] //
        "[What is wrong|Why are you so sad], {name}?" asked {friend} the {animal}. "I have lost my {colour} {thing}," said {name}.
        "[Do not worry|Do not be sad]," said {friend}. "[We will look for it together|I will help you find it]." //
        They looked [in the {place2}|near the {place2}] and they looked along the road. At last {friend} saw something {colour} under a tree.
        "[Look|Is that it]?" said {friend}. It was the {thing}! //
        {name} [hugged {friend}|jumped with joy] and said, "Thank you! You are a good friend." [From that day on|After that], {name}
        always put the {thing} [in a safe place|back in its box]. {He} felt very {feeling}.""",
    "storm": """One [evening|afternoon], dark clouds came over the {place}. The wind began to blow and the rain began to fall. {name}
        [closed the windows|ran inside] and lit a {colour} lamp. //
        Then {he} heard a [small|weak] voice outside. "[Help|Please help me]!" called the voice. {name} opened the door. There stood
        {friend} the {animal}, wet and cold. //
        "Come in," said {name}. "[You can stay here until the storm is over|There is a warm fire inside]." {friend} sat by the fire,
        and {name} made [hot soup|a cup of hot tea] with {food}. //
        [All night|For hours] the storm went on. The two of them told each other stories and [laughed|were not afraid]. In the morning the sun came out
        again. "[You helped me when I needed it|You were kind to me]," said {friend}. "[I will never forget it|Thank you, {name}]." And {friend} gave {name} a {colour2}
        {thing}. They were friends [for the rest of their lives|from that day on].""",
    "seed": """One day in spring, {name} found a tiny seed [on the path|in {his} pocket]. "[I will plant you|Let us see what you will be]," {he}
        said. {He} made a hole in the ground, put the seed in it, and gave it some water. //
        {friend} the {animal} came by and laughed. "[Nothing will grow there|That seed is far too small]," said {friend}. But {name} did not give up.
        Every morning {he} gave the seed some water, and every evening {he} [sang to it|said good night to it]. //
        After [seven|ten|twelve] days a green leaf came out of the ground. After a month it was a plant, and after a year it was a
        tree full of {food}. //
        {friend} came by again. "[I was wrong|I am sorry that I laughed]," said {friend}. "May I have some {food}?" "Of course," said {name}. "[There is
        enough for everyone|Good things take time]." They sat under the tree and ate together, and both of them felt {feeling}.""",
    "race": """[One summer|One day] there was a big race in the {place}. The prize was a {colour} {thing}. Everyone wanted to win it. "[I am the fastest|I
        will win]," said {friend} the {animal}. "[Nobody can beat me|You are much too slow], {name}." //
        {name} said nothing. {He} [went to bed early|practised every day]. On the day of the race, they all stood at the line. One, two, three, go! //
        {friend} ran ahead at once. But near the {place2}, {friend} [stopped to rest|fell over a root] and could not go on. {name} [could have run past|came along the
        path]. But {he} stopped. "[Are you hurt|Are you all right]?" asked {name}. "[Take my hand|Lean on me]. We will finish together." //
        So they crossed the line side by side. The people [clapped|cheered], and the {job} gave the prize to both of them. "[You are the real winner|I was
        wrong about you], {name}," said {friend}. {name} smiled and felt {feeling}.""",
    "map": """One day {name} found an old map in a {colour} {thing}. The map showed a path through the {place2} to a big cross. "[A treasure|It must be a
        treasure]!" said {name}. {He} ran to {friend} the {animal}. "[Will you come with me|Let us go together]?" asked {name}. "Yes," said {friend}. //
        They took some {food} and a rope and began to walk. First they [crossed a river|climbed a hill]. Then they [went through a dark cave|walked under tall trees]. At
        last they came to the cross. //
        They dug and dug until they found a {colour2} box. {name} opened it [slowly|carefully]. There was no gold in it. There was only a letter. "[The best treasure is
        a good friend|You already have a treasure]," it said. "[Look beside you|It is standing next to you]." //
        [They looked at each other for a moment|They both began to smile]. Then they laughed, shared the {food}, and walked home. They were both {feeling}.""",
    "share": """{name} had [a big basket of|a whole sack of] {food}. "[These are all mine|I will eat them all myself]," {he} said. {He} sat down [under a tree|on a stone] near
        the {place2} and began to eat. //
        {friend} the {animal} came along the road. "I am [so hungry|very hungry]," said {friend}. "[May I have some|Could you give me a few]?" "No," said {name}. "[There is
        not enough|They are mine]." So {friend} went away, [sad and hungry|without a word]. //
        But {name} could not enjoy the {food} any more. {He} thought about {friend}. "[It is no fun to eat alone|That was not kind of me]," said {name}, and {he} ran after {friend}.
        "[Wait|Please wait]!" {he} called. "I am sorry. [Let us share|Half of it is for you]." //
        They sat down and ate together. {friend} [told a funny story|played a song on the {thing}], and they laughed until the sun went down. "[Food tastes better with a friend|It is
        good to share]," said {name}. And {he} was right.""",
    "dark": """{name} was [a little|very] afraid of the dark. Every night {he} left a {colour} lamp burning beside {his} bed. One night the wind blew
        through the window and the lamp went out. //
        "[Oh no|Who is there]!" said {name}. Something was sitting on the {thing}. It had two big eyes. {name} [pulled the blanket over {his} head|did not move]. "[Do not be afraid|Please do not be
        scared]," said a soft voice. "I am {friend} the {animal}. I only came to look at the stars." //
        "The stars?" asked {name}. "Yes," said {friend}. "You can only see them when it is dark. [Come and look|Come with me to the window]." {name} got up and looked out. Over the {place2} there
        were [hundreds of stars|more stars than {he} could count]. //
        "[They are beautiful|I have never seen them like this]," said {name}. From that night on, {name} did not need the lamp any more. When it got dark, {he} looked at the sky and felt {feeling}.""",
    "build": """{name} wanted to build a [boat|bridge|house] out of wood. {He} had a hammer, some nails and a {colour} {thing}, but {he} did not know how to begin. So {he} went to {friend}
        the {job}. //
        "[First you need a plan|You must start with a plan]," said {friend}. They sat down and drew one. "[Then you need good wood|Next comes the wood]," said {friend}. They went to the {place2}
        and brought some back. "[Now we can work|Now comes the fun part]," said {friend}. //
        They worked [for three days|for a whole week]. On the first day everything went wrong. "[I can not do it|I give up]," said {name}. "[Try again|You only have to try once more]," said {friend}. "[Nobody
        gets it right the first time|Every mistake teaches you something]." //
        On the last day it was finished. {name} [looked at it for a long time|walked around it three times]. It was not perfect, but {he} had made it [with {his} own hands|{him}self]. {name} was very {feeling}.""",
    "cook": """It was {friend}'s birthday, and {name} wanted to make a surprise. "[I will bake a cake|I will make a pie]," {he} thought. {He} went to the market in the {place2} and bought {food},
        {food2} and {food3}. //
        At home {name} put the {food} in a {colour} bowl. Then {he} added the {food2} and the {food3}. {He} stirred and stirred. But when {he} opened the oven, [everything was black|it was burnt]. "[Oh dear|What
        shall I do now]?" said {name}. //
        There was a knock at the door. It was {friend} the {animal}. "[What smells so strange|What happened here]?" asked {friend}. {name} told {fhim} everything. {friend} laughed. "[Let us make it again|We
        can do it together]," said {friend}. "Two cooks are better than one." //
        The second one was perfect. They put a candle on it and sang a song. "This is the best birthday of my life," said {friend}. And {name} felt {feeling}.""",
}


def story_slots(w: Writer, plot: str) -> dict[str, str]:
    """Words for one story; which combinations of plot, animal and thing occur is part of the split."""
    slots = w.people()
    while True:
        animal, thing = w.pick(ANIMALS), w.pick(THINGS)
        if w.mine("story", plot, animal, thing):
            break
    place, place2 = w.some(PLACES, 2)
    colour, colour2 = w.some(COLOURS, 2)
    food, food2, food3 = w.some(GROWN if plot == "seed" else FOODS, 3)
    who = slots["child"] if w.rng.random() < 0.6 else w.pick(ANIMALS)
    return slots | dict(animal=animal, thing=thing, place=place, place2=place2, colour=colour, colour2=colour2, food=food, food2=food2,
                        food3=food3, adj=w.pick(ADJECTIVES), feeling=w.pick(FEELINGS), job=w.pick(JOBS), who=who)


def story(w: Writer, asked: dict[str, str] | None = None, plots: list[str] = list(PLOTS)) -> str:
    """A story; `asked` has the slots that somebody asked for."""
    plot = w.pick(plots, 0.3)
    return w.say(w.pick(OPENING, 1.3) + " // " * w.rng.randint(0, 1) + " " + PLOTS[plot], story_slots(w, plot) | (asked or {}))


# ------------------------------------------------------------------------------------------------ sums, lists, JSON, code

def pair(w: Writer, kind: str, top: int = 99) -> tuple[int, int]:
    """Two numbers whose combination belongs to the split."""
    while True:
        a, b = w.number(top), w.number(top)
        if w.mine(kind, a, b):
            return a, b


def add(a: int, b: int) -> str:
    """a + b, tens and units apart."""
    (ta, ua), (tb, ub) = divmod(a, 10), divmod(b, 10)
    if not (ta and tb):
        return f"{a} + {b} = {a + b}."
    return f"{ta}0 + {tb}0 = {ta + tb}0, and {ua} + {ub} = {ua + ub}. Together {ta + tb}0 + {ua + ub} = {a + b}."


def sum_task(w: Writer) -> tuple[str, str]:
    """A question and its worked answer."""
    kind = w.rng.random()
    if kind < 0.5:
        a, b = pair(w, "add")
        ask = w.say(f"[What is {a} + {b}?|How much is {a} + {b}?|What is {a} plus {b}?|Please add {a} and {b}.|{a} + {b}?]", {})
        return ask, f"{add(a, b)} So {a} + {b} = {a + b}."
    if kind < 0.65:
        a, b = pair(w, "add")
        c = w.number(20)
        ask = w.say(f"[What is {a} + {b} + {c}?|Please add {a}, {b} and {c}.]", {})
        return ask, f"First {a} + {b} = {a + b}. Then {a + b} + {c} = {a + b + c}. So {a} + {b} + {c} = {a + b + c}."
    if kind < 0.85:
        a, b = sorted(pair(w, "sub"), reverse=True)
        ask = w.say(f"[What is {a} - {b}?|How much is {a} - {b}?|What is {a} minus {b}?]", {})
        return ask, f"{a} - {b} = {a - b}, because {b} + {a - b} = {a}."
    a, b = pair(w, "mul", 10)
    ask = w.say(f"[What is {a} x {b}?|What is {a} times {b}?|Please multiply {a} by {b}.]", {})
    return ask, f"{a} x {b} = {a * b}."


def sums(w: Writer) -> str:
    if w.rng.random() < 0.5:
        return "\n".join(f"{q}\n{a}\n" for q, a in (sum_task(w) for _ in range(w.rng.choice((1, 1, 1, 2))))).rstrip("\n")
    a, b = pair(w, "word")
    s = w.people() | dict(food=w.pick(FOODS), a=str(a), b=str(b), n=str(a + b))
    return w.say("{name} has {a} {food}. {friend} gives {him} {b} more. How many {food} does {name} have now?", s) + "\n\n" + \
        w.say("{name} had {a} {food} and got {b} more. {a} + {b} = {n}. So {name} has {n} {food} now.", s)


def list_task(w: Writer) -> tuple[str, str]:
    n, kind = w.rng.randint(3, 7), w.rng.random()
    if kind < 0.6:                                   # nothing says how long these are, so they have one length
        n = 4
    word = {3: "three", 4: "four", 5: "five", 6: "six", 7: "seven"}[n]
    if kind < 0.3:
        items, ask, head = w.some(FOODS, n), "[Write a shopping list.|Make a shopping list.|I need a shopping list.]", "Shopping list:"
    elif kind < 0.6:
        trip = w.pick(TRIPS)
        items, ask, head = w.some(GEAR, n), f"[What should I pack for {trip}?|Make a packing list for {trip}.]", f"Packing list for {trip}:"
    elif kind < 0.75:
        items, ask, head = w.some(ANIMALS, n), "[Name %s animals.|List %s animals.]", f"Here are {word} animals:"
    elif kind < 0.9:
        items, ask, head = w.some(COLOURS, n), "[Name %s colours.|List %s colours.]", f"Here are {word} colours:"
    else:
        items, ask, head = w.some(JOBS, n), "[Name %s jobs.|List %s jobs.]", f"Here are {word} jobs:"
    ask = w.say(ask, {}).replace("%s", word)
    if "packing" in ask or "pack" in ask or "shopping" in ask:
        lines = [f"- {x}" for x in items]
    else:
        lines = [f"{i}. {x}" for i, x in enumerate(items, 1)]
    return ask, "\n".join([head, *lines])


def lists(w: Writer) -> str:
    return list_task(w)[1]


def record(w: Writer) -> tuple[str, dict]:
    """Who or what a JSON record describes, and the record."""
    p, kind = w.people(), w.rng.random()
    if kind < 0.5:
        age, city, hobbies = w.number(90), w.pick(CITIES), w.some(HOBBIES, 2)
        return f"{p['name']}, {age} years old, a {(job := w.pick(JOBS))} in {city}, who likes {hobbies[0]} and {hobbies[1]}", \
            {"name": p["name"], "age": age, "job": job, "city": city, "hobbies": hobbies}
    if kind < 0.8:
        thing, colour, price, n = w.pick(THINGS), w.pick(COLOURS), w.number(), w.number(20)
        return f"a {colour} {thing} that costs {price} coins, {n} in stock", \
            {"item": thing, "colour": colour, "price": price, "stock": n, "sold_out": False}
    animal, age = w.pick(ANIMALS), w.number(15)
    return f"{p['name']} the {animal}, {age} years old, owned by {p['friend']}", {"name": p["name"], "kind": animal, "age": age, "owner": p["friend"]}


def json_task(w: Writer) -> tuple[str, str]:
    about, value = record(w)
    ask = w.say("[Write a JSON record for {about}.|Give me JSON for {about}.|Please write this as JSON: {about}.]", {"about": about})
    return ask, json.dumps(value, indent=2)


def json_text(w: Writer) -> str:
    if w.rng.random() < 0.5:
        return json_task(w)[1]
    kind = w.rng.randrange(3)
    records: list[dict] = []
    while len(records) < 2:
        value = record(w)[1]
        if kind == 0 or not records or value.keys() == records[0].keys():
            records.append(value)
    return json.dumps(records, indent=2)


def code_task(w: Writer) -> tuple[str, str]:
    """What a function should do, and the function, in Python or C."""
    python = w.rng.random() < 0.65
    while True:
        a, b = w.some(NOUNS, 2)
        verb = w.pick(VERBS)
        if w.mine("code", a, b, verb):
            break
    language, kind, n = "Python" if python else "C", w.rng.random(), w.number(20)
    if kind < 0.4:
        op, word = w.rng.choice([("+", "adds"), ("-", "subtracts"), ("*", "multiplies")])
        what = {"adds": f"adds {a} and {b}", "subtracts": f"subtracts {b} from {a}", "multiplies": f"multiplies {a} by {b}"}[word]
        call = f"{word.rstrip('s') if word != 'multiplies' else 'multiply'}_{a}"
        body = (f'def {call}({a}, {b}):\n    """Return {a} {op} {b}."""\n    return {a} {op} {b}' if python else
                f"int {call}(int {a}, int {b}) {{\n    return {a} {op} {b};\n}}")
    elif kind < 0.6:
        big = w.rng.random() < 0.5
        what, op, call = f"returns the {'larger' if big else 'smaller'} of {a} and {b}", ">" if big else "<", f"{'max' if big else 'min'}_{a}"
        body = (f"def {call}({a}, {b}):\n    if {a} {op} {b}:\n        return {a}\n    return {b}" if python else
                f"int {call}(int {a}, int {b}) {{\n    return {a} {op} {b} ? {a} : {b};\n}}")
    elif kind < 0.8:
        what, call = f"sums a list of {a}s", f"sum_{a}s"
        body = (f"def {call}({a}s):\n    total = 0\n    for {a} in {a}s:\n        total += {a}\n    return total" if python else
                f"int {call}(const int *{a}s, int n) {{\n    int total = 0;\n    for (int i = 0; i < n; i++) {{\n        total += {a}s[i];\n"
                f"    }}\n    return total;\n}}")
    elif kind < 0.9:
        what, call = f"counts the {a}s above {n}", f"count_{a}s"
        body = (f"def {call}({a}s):\n    count = 0\n    for {a} in {a}s:\n        if {a} > {n}:\n            count += 1\n    return count" if python else
                f"int {call}(const int *{a}s, int n) {{\n    int count = 0;\n    for (int i = 0; i < n; i++) {{\n        if ({a}s[i] > {n}) {{\n"
                f"            count++;\n        }}\n    }}\n    return count;\n}}")
    else:
        what, call = f"{verb}s the {a} by {n}", f"{verb}_{a}"
        body = f"def {call}({a}):\n    return {a} * {n}" if python else f"int {call}(int {a}) {{\n    return {a} * {n};\n}}"
    ask = w.say(f"[Write a {language} function that {what}.|Give me a function in {language} that {what}.|How do I write a {language} function"
                f" that {what}?]", {})
    return ask, f"```{language.lower()}\n{body}\n```"


def code_text(w: Writer) -> str:
    bodies = []
    for _ in range(w.rng.choice((1, 1, 1, 2))):
        body = code_task(w)[1]
        bodies.append("\n".join(body.split("\n")[1:-1]))
    python = [b for b in bodies if b.startswith("def")]
    return "\n\n\n".join(python) if python else "\n\n".join(bodies)


# ------------------------------------------------------------------------------------------------------------- chats

NEXTN = [  # questions about the program; the answers are fixed, how one asks is not
    ("[What is nextn?|Tell me about nextn.|What does nextn do?|Can you explain nextn?|What program is this?]",
     "nextn is an inference engine for language models that have a multi-token-prediction head. The head guesses the next few tokens, the model checks "
     "all of them at once, and the right ones are kept. So you get the same text in less time."),
    ("[What is multi-token prediction?|What is an MTP head?|What does MTP mean?|How does the MTP head work?|What is a NextN head?]",
     "MTP means multi-token prediction. An MTP head is one small extra layer that was trained together with the model. It takes the model's hidden state and "
     "the newest token, and it guesses the token after that. It can be used again on its own guess to look further ahead."),
    ("[What is speculative decoding?|How does speculative decoding work?|Explain speculative decoding.|Why is speculation faster?]",
     "Speculative decoding has two steps. First a small draft model or an MTP head guesses a few tokens. Then the large model checks all of the guesses in one "
     "pass. Right guesses are kept, and the first wrong one is replaced. Checking several tokens costs hardly more than making one, so this is faster."),
    ("[What does nextn promise?|What are the promises of nextn?|Why should I use nextn?|What is special about nextn?]",
     "nextn makes three promises:\n1. Same text. The output is the same, byte for byte, with speculation on or off.\n2. Never slower. It measures your machine and "
     "drafts only as much as pays.\n3. One file, no surprises. The head is in the same file as the model, and no tensor is held twice."),
    ("[Does speculation change the text?|Is the output the same with speculation?|Do drafts change the answer?|Is speculative decoding lossless?]",
     "No, the text does not change. Every draft is checked by the model itself, and a wrong draft is replaced. The output is the same, byte for byte, with "
     "speculation on or off."),
    ("[How do I run a model?|How do I run nextn?|How do I start nextn?|Which command runs a model?]",
     "Use the run command:\n```\nnextn run -m model.gguf -p \"Once upon a time\" -n 100\n```\nWithout -m it runs the demo model, and without -p it starts a chat."),
    ("[How do I start a server?|How do I serve a model?|Does nextn have a server?|Is there an API?]",
     "Use the serve command:\n```\nnextn serve -m model.gguf --port 8080\n```\nIt has an API in the style of OpenAI, and a page for your browser."),
    ("[How do I measure the speed?|How fast is it on my machine?|How do I run a benchmark?|Is there a benchmark?]",
     "Use the bench command:\n```\nnextn bench -m model.gguf\n```\nIt runs the model with and without speculation, in turns, and prints both speeds side by side."),
    ("[What is in a GGUF file?|How do I look into a model file?|What does nextn inspect do?|How do I see if a file has a head?]",
     "Use the inspect command:\n```\nnextn inspect model.gguf\n```\nIt lists what is in the file and says whether its MTP head can be used."),
    ("[How much memory do I need?|Will the model fit in memory?|What does nextn plan do?]",
     "Use the plan command:\n```\nnextn plan model.gguf\n```\nIt prints the memory that is needed, part by part, before anything is taken."),
    ("[How do I turn speculation off?|Can I switch off the drafts?|How do I run without speculation?]",
     "Add --spec-type none to the command. The text stays the same, and only the speed changes."),
    ("[How many tokens are drafted?|How do I set the draft length?|What is the draft length?]",
     "nextn chooses the draft length by itself, cycle by cycle. You can set an upper limit with --spec-draft-n-max."),
    ("[What is acceptance?|What is the acceptance rate?|What does acceptance mean?]",
     "Acceptance is the share of guesses that turn out to be right. The more predictable the text, the higher the acceptance, and the faster the output."),
    ("[Which models work with nextn?|What models can nextn run?|Which models are supported?]",
     "nextn runs models with an MTP head in a GGUF file, such as the Qwen3.5 and GLM-4.5 families. It also comes with a small demo model. That is me."),
    ("[How do I test nextn?|How do I know that it works?|What does nextn selftest do?|Can nextn check its promises?]",
     "Use the selftest command:\n```\nnextn selftest\n```\nIt checks the promises on your machine, with your file or with the demo model."),
    ("[How do I make a model smaller?|How do I quantise a model?|What does nextn quantize do?]",
     "Use the quantize command:\n```\nnextn quantize model.gguf small.gguf q4_k_m\n```\nIt writes a smaller file in the type that you name."),
    ("[How do I convert a model?|How do I make a GGUF file?|What does nextn convert do?]",
     "Use the convert command:\n```\nnextn convert model-folder -o model.gguf\n```\nIt reads a Hugging Face checkpoint and writes one GGUF file, head included."),
    ("[What is a gated delta net?|What is linear attention?|How does the delta net work?]",
     "A gated delta net is a layer with a memory of fixed size. Each token first lets the memory fade a little, then corrects what it recalls, and then reads it. "
     "So a long text costs no more per token than a short one."),
    ("[What is a token?|What are tokens?|What does token mean?]",
     "A token is a piece of text, often a word or a part of a word. A language model reads tokens and writes one token after another."),
    ("[What is a language model?|How do language models work?|How does a language model work?]",
     "A language model reads a text and guesses the next token. It adds that token to the text and guesses again. Step by step, this makes whole sentences."),
]

SMALL_TALK = [
    ("[Hello!|Hi!|Hi there!|Hello|Hey|Good morning!|Good evening!|hello|hi]", "Hello! How can I help you?"),
    ("[Who are you?|What are you?|What is your name?|Are you a robot?|Tell me about yourself.]",
     "I am the demo model of nextn, a very small language model. I can tell short stories, add numbers, write lists, JSON and small functions, and answer questions about nextn."),
    ("[How are you?|How are you today?|How do you do?]", "I am fine, thank you. What can I do for you?"),
    ("[What can you do?|How can you help me?|What do you know?|Help|help]",
     "I can do a few small things:\n- tell a short story\n- add and subtract numbers\n- write a list\n- write a JSON record\n- write a small function\n- answer questions about nextn"),
    ("[How big are you?|How many parameters do you have?|Are you a large model?]",
     "I am very small. I have about seven million parameters, eight layers and one MTP head, and I fit inside the program itself."),
    ("[How were you trained?|Who trained you?|What were you trained on?]",
     "I was trained from scratch in about an hour on a small computer, with short texts that a program wrote."),
    ("[Thank you!|Thanks!|Thank you very much.|Thanks a lot.|thanks]", "You are welcome! Is there anything else I can do for you?"),
    ("[Goodbye!|Bye!|See you later.|Good night!|bye]", "Goodbye! Have a nice day."),
    ("[Are you alive?|Do you have feelings?|Can you think?]", "No, I am only a small program that guesses the next token. But I like to be useful."),
    ("[Tell me a joke.|Do you know a joke?|Make me laugh.]",
     "Why did the token cross the road? Because the draft said so, and the model agreed."),
    ("[Tell me another joke.|One more joke, please.]", "What do you call a draft that is always right? A very lucky guess."),
    ("[What is your favourite colour?|Do you have a favourite colour?]", "I like blue, because it is the colour of the sky."),
]


def unknown(w: Writer) -> tuple[str, str]:
    """A question that a small model had better not answer, and how it says so."""
    r, kind = w.rng, w.rng.random()
    one, two = r.choice(WORDS), r.choice(WORDS)
    if kind < 0.6:
        topic = r.choice([r.choice(TOPICS), f"{r.choice(COLOURS)} {r.choice(THINGS)}s", one, f"the {one}", f"{one} and {two}", f"the {one} of the {two}"])
        ask = w.say("[What do you know about {topic}?|Tell me about {topic}.|Explain {topic}.|Write a poem about {topic}.|Why is {topic} important?|How does"
                    " {topic} work?|What is {topic}?|Write an essay about {topic}.|tell me about {topic}|what is {topic}]", {"topic": topic})
        return ask, f"I am a very small model, so I do not know much about {topic}. I can tell you a story, add numbers, or answer a question about nextn."
    ask = w.say("[How do I {do} a {one}?|Can you {do} the {one} for me?|Please {do} my {one}.|Where can I {do} a {one}?|Who is the {one} of the {two}?"
                "|When was the {one} of the {two}?|What is the best {one} for my {two}?|Should I {do} the {one} or the {two}?|Why does my {one} {do} the {two}?"
                "|Which {one} has the most {two}?|Is it true that the {one} can {do} a {two}?|My {one} is better than your {two}.]",
                {"do": r.choice(DOING), "one": one, "two": two})
    return ask, "I am sorry, that is too hard for a very small model. I can tell you a story, add numbers, or answer a question about nextn."


def recall(w: Writer) -> tuple[str, str]:
    """A task that is nothing but looking something up in the question, or saying it again: it teaches to copy."""
    r, kind = w.rng, w.rng.random()
    if kind < 0.5:
        while True:
            words = [r.choice((r.choice(WORDS), r.choice(THINGS), w.name(r.random() < 0.5), str(w.number(999)))) for _ in range(r.randint(3, 12))]
            if w.mine("echo", *words):
                break
        ask = w.say("[Repeat|Repeat after me|Say this again|Copy these words|Please write this once more]:", {})
        return ask + " " + " ".join(words), " ".join(words)
    n = r.randint(2, 5)
    if kind < 0.75:
        things, places = r.sample(THINGS, n), r.sample(THINGS + PLACES, n)
        facts = [(f"The {t} is in the {p}.", f"Where is the {t}?") for t, p in zip(things, places) if t != p]
    elif kind < 0.9:
        names, things = [w.name(r.random() < 0.5) for _ in range(n)], [f"{r.choice(COLOURS)} {r.choice(THINGS)}" for _ in range(n)]
        facts = [(f"{a} has a {t}.", f"What does {a} have?") for a, t in zip(names, things)]
    else:
        names = [w.name(r.random() < 0.5) for _ in range(n)]
        facts = [(f"{a} is {y} years old.", f"How old is {a}?") for a, y in zip(names, (w.number() for _ in names))]
    if not facts:
        return recall(w)
    fact, ask = r.choice(facts)
    return " ".join(f for f, _ in facts) + " " + ask, fact


def chat_turn(w: Writer) -> tuple[str, str]:
    kind = w.rng.random()
    if w.rng.random() < 0.08:
        return recall(w)
    if kind < 0.28:
        ask, answer = w.rng.choice(NEXTN)
        ask = w.say(ask, {})
        return (ask.lower() if w.rng.random() < 0.1 else ask), answer
    if kind < 0.38:
        ask, answer = w.pick([f"{q}\t{a}" for q, a in SMALL_TALK], 0.4).split("\t")
        return w.say(ask, {}), answer
    if kind < 0.52:
        p = w.people()
        which = w.rng.random()
        if which < 0.35:
            return w.say("[Tell me a story.|Tell me a short story.|Please tell me a story.|Write a story.|Write a short story.]", {}), story(w)
        if which < 0.55:
            animal = w.pick(ANIMALS)
            ask = w.say("[Tell me a story about a {animal}.|Write a story about a {animal}.|Write a short story about a {animal}.]", {"animal": animal})
            return ask, story(w, {"who": animal})
        if which < 0.75:
            ask = w.say("[Tell me a story about {name}.|Write a story about a {child} named {name}.|Tell me a story about a {child} called {name}.]", p)
            return ask, story(w, p | {"who": p["child"]})
        thing, colour = w.pick(THINGS), w.pick(COLOURS)
        ask = w.say("[Tell me a story with a {colour} {thing}.|Write a story with a {colour} {thing} in it.]", dict(thing=thing, colour=colour))
        return ask, story(w, dict(thing=thing, colour=colour), ["lost", "race", "build", "map"])
    if kind < 0.62:
        return sum_task(w)
    if kind < 0.69:
        return list_task(w)
    if kind < 0.76:
        return json_task(w)
    if kind < 0.84:
        return code_task(w)
    if kind < 0.96:
        return unknown(w)
    p = w.people() | dict(food=w.pick(FOODS), hobby=w.pick(HOBBIES), city=w.pick(CITIES), job=w.pick(JOBS))
    return w.rng.choice([
        (w.say("[My name is {name}.|I am {name}.|Hi, I am {name}.]", p), w.say("Nice to meet you, {name}! How can I help you?", p)),
        (w.say("I live in {city}[. Do you know it?|.]", p), w.say("I have never been to {city}, but I am sure that it is a nice place.", p)),
        (w.say("I [like|love] {hobby}.", p), w.say("That is nice! I can not try {hobby} myself, but many people enjoy it.", p)),
        (w.say("I am a {job}.", p), w.say("That sounds like interesting work. A good {job} is always needed.", p)),
        (w.say("Do you like {food}?", p), w.say("I am a program, so I can not eat {food}. But many people like {food}.", p)),
    ])


SYSTEMS = ["You are a helpful assistant.", "You are the demo model of nextn.", "Answer in short sentences.", "You are a friendly assistant."]


def chat(w: Writer, turn: Callable[[Writer], tuple[str, str]] = chat_turn) -> str:
    """A conversation as the chat template writes it. A name that the user gives is remembered."""
    turns = [turn(w) for _ in range(w.rng.choice((1, 1, 2, 2, 3, 4)))]
    if w.rng.random() < 0.1:
        p = w.people()
        turns.insert(0, (w.say("[My name is {name}.|Hi, I am {name}.]", p), w.say("Nice to meet you, {name}! How can I help you?", p)))
        turns.append((w.say("[What is my name?|Do you remember my name?]", p), w.say("Your name is {name}.", p)))
    turns = [(q.rstrip("?.!") if w.rng.random() < 0.08 else q, a) for q, a in turns]
    text = f"{START}system\n{w.pick(SYSTEMS)}{STOP}\n" if w.rng.random() < 0.15 else ""
    return text + "".join(f"{START}user\n{q}{STOP}\n{START}assistant\n{a}{STOP}\n" for q, a in turns)


# ---------------------------------------------------------------------------------------------------------- documents

KINDS: dict[str, tuple[float, Callable[[Writer], str]]] = {
    "story": (0.22, story), "chat": (0.36, chat), "recall": (0.16, lambda w: chat(w, recall)), "sums": (0.10, sums), "list": (0.06, lists),
    "json": (0.05, json_text), "code": (0.05, code_text),
}


def documents(split: str, seed: int, kind: str = "") -> Iterator[str]:
    """Documents without end, each closed by <|endoftext|>; of one kind, or of all in their shares."""
    w = Writer(split, seed)
    names, shares = list(KINDS), [share for share, _ in KINDS.values()]
    while True:
        yield KINDS[kind or w.rng.choices(names, shares)[0]][1](w) + END


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--split", default="train", choices=("train", "heldout"))
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--count", type=int, default=10)
    ap.add_argument("--kind", default="", choices=("", *KINDS))
    o = ap.parse_args()
    stream = documents(o.split, o.seed, o.kind)
    for _ in range(o.count):
        print(next(stream))


if __name__ == "__main__":
    main()

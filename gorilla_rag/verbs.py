"""Verbs of documentation in their base form, as data. Knows nothing of how they are used."""

VERBS = frozenset(
    """
    abort accept accumulate acquire activate adapt add adjust aggregate align allocate allow analyse analyze
    annotate answer append apply approve archive arrange ask assemble assert assess assign attach augment
    authenticate authorize average balance begin bind blend block blur book bound broadcast browse build
    calculate calibrate cancel capture cast categorize change chat check choose classify clean clear clip clone close
    cluster collect colorize combine compare compile complete compose compress compute concatenate conduct
    configure confirm connect construct control convert convolve copy correct count craft crawl create crop
    customize cut deactivate deal deblur decode decompose decompress decrypt define delete deliver denoise
    deploy deposit derive describe deserialize design destroy detach detect determine diagnose differentiate
    disable disconnect discover display distribute divide download draw drop dump duplicate edit eliminate embed
    enable encode encrypt enhance enroll ensure enumerate erase establish estimate evaluate examine exchange
    execute expand explore export extend extract factor fetch fill filter find finish fit flatten flip flush forecast
    format freeze fuse gather generate get give grant group handle hash hide highlight hire host identify
    implement import improve increase index infer initialise initialize initiate insert inspect install
    integrate interpolate interpret invert invite invoke iterate join keep label launch learn limit list listen
    load localize locate lock log look lower make manage map mark mask match maximize measure merge migrate
    minimize modify monitor move multiply mute normalise normalize notify obtain offer open optimise optimize
    order organize output pad paint parse partition pay perform permute pick place plan play plot practice
    predict prepare preserve prevent print prioritize process produce project promote provide prune publish
    purchase push put quantize query raise randomize rank rate read reassign rebuild receive recognize recommend
    reconstruct record recover redirect reduce refresh register reject release reload remove rename render
    reopen reorder repeat replace report request resample reserve reset reshape resize resolve respond restart
    restore restrict resume retrieve return reverse review revoke roll romanise romanize rotate round run sample
    save scale scan schedule score scrape search segment select send separate serialize serve set share shift
    shorten show shrink shuffle sign simplify simulate sketch skip slice smooth solve sort specify split stack
    standardize start stop store stream stretch submit subscribe subtract suggest sum summarise summarize
    support suspend swap synchronize synthesise synthesize tag take teach tell terminate test threshold tile
    tokenise tokenize trace track train transcribe transfer transform translate transpose traverse trigger trim
    truncate tune turn unassign unblock undo uninstall unlink unload unlock unpack unregister unsubscribe unwrap
    update upgrade upload upsample validate vectorise vectorize verify view visualise visualize wait walk watch
    withdraw wrap write zip
    """.split()
)
# As often nouns.
NOUNS_TOO = frozenset(
    """
    access answer average balance block book bound broadcast cast change check cluster control count cut deal
    exchange factor filter fit format group hash host index label limit list lock log look map mark mask match
    offer order output pad paint plan play practice process project purchase query rank rate read record report
    request return review roll round sample scale scan schedule score search segment set share shift sign sketch
    slice stack store stream sum support tag test threshold tile trace track train trim turn view watch
    """.split()
)
# With the prepositions that belong to them: "wait for", "search through".
WITH_PREPOSITION = frozenset(
    """
    ask chat draw integrate iterate listen look read respond sample search subscribe wait write connect
    """.split()
)

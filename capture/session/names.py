"""What fields and messages are called in FIX 4.4 and in the venue's tables.

Layer: session, beside `dictionary`. Data only, for whoever shows a message to people.
Source: FIX 4.4 volumes 2, 3 and 6; the venue's tables for 2349, 2446, 7928, 8674 and from 5000. Where the venue renames
a standard field, the standard's name stands. A number that is not here has none.
"""

from collections.abc import Mapping
from typing import Final

_FIELDS: Final = """
    1 Account 6 AvgPx 7 BeginSeqNo 8 BeginString 9 BodyLength 10 CheckSum 11 ClOrdID 14 CumQty 15 Currency 16
    EndSeqNo 17 ExecID 18 ExecInst 21 HandlInst 22 SecurityIDSource 31 LastPx 32 LastQty 34 MsgSeqNum 35 MsgType
    36 NewSeqNo 37 OrderID 38 OrderQty 39 OrdStatus 40 OrdType 41 OrigClOrdID 43 PossDupFlag 44 Price 45 RefSeqNum
    48 SecurityID 49 SenderCompID 50 SenderSubID 52 SendingTime 54 Side 55 Symbol 56 TargetCompID 57 TargetSubID
    58 Text 59 TimeInForce 60 TransactTime 62 ValidUntilTime 63 SettlType 78 NoAllocs 79 AllocAccount 89 Signature
    90 SecureDataLen 91 SecureData 93 SignatureLength 95 RawDataLength 96 RawData 97 PossResend 98 EncryptMethod
    99 StopPx 102 CxlRejReason 103 OrdRejReason 104 IOIQualifier 106 Issuer 107 SecurityDesc 108 HeartBtInt 109
    ClientID 112 TestReqID 114 LocateReqd 115 OnBehalfOfCompID 116 OnBehalfOfSubID 120 SettlCurrency 121 ForexReq
    122 OrigSendingTime 123 GapFillFlag 126 ExpireTime 128 DeliverToCompID 129 DeliverToSubID 132 BidPx 133
    OfferPx 134 BidSize 135 OfferSize 136 NoMiscFees 137 MiscFeeAmt 138 MiscFeeCurr 139 MiscFeeType 141
    ResetSeqNumFlag 142 SenderLocationID 143 TargetLocationID 144 OnBehalfOfLocationID 145 DeliverToLocationID 146
    NoRelatedSym 148 Headline 150 ExecType 151 LeavesQty 152 CashOrderQty 167 SecurityType 168 EffectiveTime 188
    BidSpotRate 189 BidForwardPoints 190 OfferSpotRate 191 OfferForwardPoints 193 SettlDate2 202 StrikePrice 207
    SecurityExchange 208 NotifyBrokerOfCredit 212 XmlDataLen 213 XmlData 231 ContractMultiplier 262 MDReqID 263
    SubscriptionRequestType 264 MarketDepth 265 MDUpdateType 266 AggregatedBook 267 NoMDEntryTypes 268 NoMDEntries
    269 MDEntryType 270 MDEntryPx 271 MDEntrySize 273 MDEntryTime 278 MDEntryID 279 MDUpdateAction 281
    MDReqRejReason 303 QuoteRequestType 305 UnderlyingSecurityIDSource 309 UnderlyingSecurityID 311
    UnderlyingSymbol 320 SecurityReqID 321 SecurityRequestType 322 SecurityResponseID 323 SecurityResponseType 324
    SecurityStatusReqID 335 TradSesReqID 336 TradingSessionID 340 TradSesStatus 347 MessageEncoding 348
    EncodedIssuerLen 349 EncodedIssuer 350 EncodedSecurityDescLen 351 EncodedSecurityDesc 354 EncodedTextLen 355
    EncodedText 369 LastMsgSeqNumProcessed 371 RefTagID 372 RefMsgType 373 SessionRejectReason 379
    BusinessRejectRefID 380 BusinessRejectReason 381 GrossTradeAmt 383 MaxMessageSize 384 NoMsgTypes 386
    NoTradingSessions 388 DiscretionInst 393 TotNoRelatedSym 398 NoBidDescriptors 418 BidTradeType 430 NetGrossInd
    434 CxlRejResponseTo 447 PartyIDSource 448 PartyID 452 PartyRole 453 NoPartyIDs 454 NoSecurityAltID 461
    CFICode 464 TestMessageIndicator 523 PartySubID 527 SecondaryExecID 530 MassCancelRequestType 531
    MassCancelResponse 532 MassCancelRejectReason 533 TotalAffectedOrders 541 MaturityDate 553 Username 554
    Password 555 NoLegs 559 SecurityListRequestType 560 SecurityRequestResult 562 MinTradeVol 566 LegPrice 567
    TradSesStatusRejReason 600 LegSymbol 603 LegSecurityIDSource 625 TradingSessionSubID 627 NoHops 711
    NoUnderlyings 789 NextExpectedMsgSeqNum 802 NoPartySubIDs 803 PartySubIDType 811 PriceDelta 893 LastFragment
    1003 TradeID 1138 DisplayQty 2349 PricePrecision 2446 AggressorSide 5001 Leverage 5010 QtyPrecision 5011
    QtyMin 5012 QtyMax 5013 MinimumCost 5022 TickSize 5025 Nonce 5030 ForceResetClOrdID 5032 AssetPairStatus 5041
    ChecksumOrderBook 5050 LiquidityInd 5051 Rebased 5060 MDEntryTimestamp 5273 MDEntryTimeQueue 7928
    SelfTradePrevention 8674 CancelOrdersOnDisconnect
"""

_MESSAGES: Final = """
    0 Heartbeat 1 TestRequest 2 ResendRequest 3 Reject 4 SequenceReset 5 Logout A Logon x SecurityListRequest y
    SecurityList V MarketDataRequest W MarketDataSnapshotFullRefresh X MarketDataIncrementalRefresh Y
    MarketDataRequestReject g TradingSessionStatusRequest h TradingSessionStatus j BusinessMessageReject D
    NewOrderSingle F OrderCancelRequest G OrderCancelReplaceRequest q OrderMassCancelRequest H OrderStatusRequest
    8 ExecutionReport 9 OrderCancelReject r OrderMassCancelReport d SecurityDefinition
"""


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


FIELD_NAMES: Final[Mapping[int, str]] = {int(tag): name for tag, name in _pairs(_FIELDS).items()}
MESSAGE_NAMES: Final[Mapping[str, str]] = _pairs(_MESSAGES)
